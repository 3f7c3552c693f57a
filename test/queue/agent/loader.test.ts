import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import test from 'node:test';
import { bundleInput, LOADER } from '../../../src/queue/agent/loader.js';

const loaded = (loader: string, input: Uint8Array): ReturnType<typeof spawnSync> =>
  spawnSync(process.execPath, ['-e', loader, 'marker-1'], { input });

test('the loader holds no character that a login shell would change within single quotes', () => {
  assert.doesNotMatch(LOADER, /['\\!%`\n\r]/);
  assert.match(LOADER, /^[ -~]+$/);
  assert.ok(LOADER.length < 700, `${String(LOADER.length)} characters`);
});

test('the loader is text that the oldest Node can parse', () => {
  assert.doesNotMatch(LOADER, /=>|\b(let|const|class|import|async|await)\b|\.\.\.|\?\?|\?\./);
});

test('the loader says marker and version, then runs the bundle with require and its own text', () => {
  const bundle = 'require("fs").writeSync(1, "ran " + bundle + " äö")';
  const { stdout, status } = loaded(LOADER, bundleInput(bundle));
  assert.equal(stdout.toString(), `\nmarker-1 ${process.version}\nran ${bundle}\n//# sourceURL=drone-agent äö`);
  assert.equal(status, 0);
});

test('the loader leaves what follows the bundle to the bundle', () => {
  const bundle = 'require("fs").writeSync(1, require("fs").readFileSync(0))';
  const { stdout } = loaded(LOADER, Buffer.concat([bundleInput(bundle), Buffer.from('frames')]));
  assert.match(stdout.toString(), /\nframes$/);
});

test('a Node that is too old says its version and ends', () => {
  const old = `Object.defineProperty(process, "version", { value: "v16.20.2" });${LOADER}`;
  const { stdout, status } = loaded(old, new Uint8Array(0));
  assert.equal(stdout.toString(), '\nmarker-1 v16.20.2\n');
  assert.equal(status, 1);
});

test('the loader ends when its input ends within the bundle', () => {
  const { status } = loaded(LOADER, bundleInput('process.exit(7)').subarray(0, 9));
  assert.equal(status, 1);
});

test('the loader takes a bundle that comes byte by byte', async t => {
  const child = spawn(process.execPath, ['-e', LOADER, 'marker-1'], { stdio: 'pipe' });
  t.after(() => child.kill('SIGKILL'));
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve));
  for (const byte of bundleInput('process.exit(7)')) {
    await new Promise<void>(resolve =>
      child.stdin.write(Uint8Array.of(byte), () => {
        resolve();
      }),
    );
  }
  assert.equal(await exited, 7);
});
