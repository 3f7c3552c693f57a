import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { build, type Format, stop } from 'esbuild';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));
const SCHEDULER = `
  import { LocalDrone, ThreadedTaskQueue } from 'drone-task-queue';
  import { TickLoop } from 'drone-task-queue/scheduler';

  async function main(): Promise<void> {
    const queue = new ThreadedTaskQueue();
    const drone = new LocalDrone();
    const call = drone.queueCall('run', 'echo bundled');
    console.log(typeof TickLoop, call.valueIn(await queue.execute([drone])).stdout);
    await queue.close();
  }
  void main();
`;
const STORE = "import { Store } from 'drone-task-queue/store'; console.log(typeof Store);";

test('a query that a loader adds to a module makes no bundle', async () => {
  const module = new URL('../../dist/option/package-file.js?loader', import.meta.url);
  const { packageFile } = (await import(module.href)) as typeof import('../../src/option/package-file.js');
  assert.equal(packageFile('./package-file.js', module.href).pathname, module.pathname);
});

for (const format of ['esm', 'cjs'] as const) {
  test(`a bundle (${format}) that leaves the package out runs calls on worker threads`, async () => {
    const { stdout, stderr } = await runBundle(SCHEDULER, format, ['drone-task-queue']);
    assert.equal(stdout, 'function bundled\n\n', stderr);
  });
  for (const [name, source] of Object.entries({ queue: SCHEDULER, store: STORE })) {
    test(`a bundle (${format}) with the ${name} in it ends at its start with the recipe`, async () => {
      const { stdout, stderr } = await runBundle(source, format, []);
      assert.equal(stdout, '');
      assert.match(stderr, /cannot be part of a bundle: .*--external:drone-task-queue/);
      assert.match(stderr, /code: 'ERR_BUNDLED'/);
    });
  }
}

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** Bundles and runs a program of a project that has the package and its dependencies installed. */
async function runBundle(source: string, format: Format, external: string[]): Promise<Output> {
  const project = await mkdtemp(join(tmpdir(), 'bundle-'));
  try {
    await mkdir(join(project, 'node_modules'));
    await symlink(PACKAGE, join(project, 'node_modules/drone-task-queue'));
    await writeFile(join(project, 'scheduler.ts'), source);
    await build({
      entryPoints: [join(project, 'scheduler.ts')],
      outdir: join(project, 'out'),
      outExtension: { '.js': format === 'esm' ? '.mjs' : '.cjs' },
      bundle: true,
      platform: 'node',
      format,
      external,
      logLevel: 'silent',
    });
    const program = join(project, 'out', format === 'esm' ? 'scheduler.mjs' : 'scheduler.cjs');
    return await new Promise(resolve => {
      execFile(process.execPath, [program], (_failure, stdout, stderr) => {
        resolve({ stdout, stderr });
      });
    });
  } finally {
    await stop();
    await rm(project, { recursive: true, force: true });
  }
}
