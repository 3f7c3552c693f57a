// An empty project of a user, with the packed package installed in it and nothing of this checkout in reach.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RUN_TIMEOUT_MS = 300_000;

/**
 * @typedef {object} Run
 * @property {string | undefined} failure why it did not exit with 0, in words
 * @property {string} stdout
 * @property {string} stderr
 */

/** What examples and type checks need, optional peers among it, in the versions that this checkout has. */
const PEERS = ['kysely', 'pg', '@photostructure/sqlite', 'fastify', 'typebox', 'bullmq', 'ioredis', 'yaml'];
const TOOLS = ['tsx', 'typescript', '@types/node', ...PEERS].map(name => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'));
  return `${name}@${String(version)}`;
});

export class EmptyProject {
  /** @readonly */
  folder = mkdtempSync(join(tmpdir(), 'drone-task-queue-project-'));
  /** @readonly @type {string} */
  tarball;

  /**
   * Packs and installs. The install runs no script, so that nothing in it can come from a native build.
   * @param {readonly string[]} more packages beside those that examples and type checks need
   */
  constructor(more = []) {
    const packs = join(this.folder, 'packed');
    mkdirSync(packs);
    execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', packs], {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    this.tarball = join(packs, String(readdirSync(packs)[0]));
    this.write('package.json', '{ "name": "users-project", "private": true, "type": "module" }\n');
    const install = [
      'install',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      this.tarball,
      ...TOOLS,
      ...more,
    ];
    execFileSync('npm', install, { cwd: this.folder, stdio: ['ignore', 'ignore', 'inherit'] });
  }

  /** @param {string} name @param {string} text */
  write(name, text) {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  /**
   * Runs Node, at most 5 minutes. The output goes through files: a pipe would be waited for as long as any grandchild holds it.
   * @param {readonly string[]} args
   * @param {{ directory?: string, env?: NodeJS.ProcessEnv }} where a directory of the project; the environment
   * @returns {Run}
   */
  node(args, { directory = '.', env = process.env } = {}) {
    const paths = [join(this.folder, 'stdout.txt'), join(this.folder, 'stderr.txt')];
    const [stdout, stderr] = paths.map(path => openSync(path, 'w'));
    const { status, signal, error } = spawnSync(process.execPath, args, {
      cwd: join(this.folder, directory),
      env,
      stdio: ['ignore', stdout, stderr],
      timeout: RUN_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    for (const fd of [stdout, stderr]) if (fd !== undefined) closeSync(fd);
    const [out = '', err = ''] = paths.map(path => readFileSync(path, 'utf8'));
    let failure;
    if (error && 'code' in error && error.code === 'ETIMEDOUT')
      failure = `ran for more than ${String(RUN_TIMEOUT_MS)} ms`;
    else if (error) failure = error.message;
    else if (status !== 0) failure = signal === null ? `exited with ${String(status)}` : `was ended by ${signal}`;
    return { failure, stdout: out, stderr: err };
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
