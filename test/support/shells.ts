/** What a drone without Node may have for /bin/sh and its tools. The functions' names go into those of tests. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installPackage } from './debian-package.js';

export interface Shell extends AsyncDisposable {
  readonly path: string;
  /** Its PATH. */
  readonly searchPath: string;
}

const BUSYBOX = '/bin/busybox';
const run = promisify(execFile);

/** This system's shell, and tools of GNU. */
export function shell(): Promise<Shell> {
  return Promise.resolve({
    path: '/bin/sh',
    searchPath: '/usr/local/bin:/usr/bin:/bin',
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

/** All that is found in its PATH is of busybox. */
export async function busybox(): Promise<Shell> {
  await installPackage('busybox-static', { program: BUSYBOX });
  const tools = await mkdtemp(join(tmpdir(), 'drone-busybox-'));
  await run(BUSYBOX, ['--install', '-s', tools]);
  return {
    path: join(tools, 'sh'),
    searchPath: tools,
    [Symbol.asyncDispose]: () => rm(tools, { recursive: true }),
  };
}
