/** Directories on a drone without an agent: where a login starts, and those that a script makes. */
/* eslint-disable no-template-curly-in-string -- sh expands ${…}, not JavaScript */
import { posix } from 'node:path';
import type { Server } from '../server.js';
import { type MethodCall, runSteps, type StepError, systemStep } from './script.js';
import { systemError } from './system-error.js';

/** Defines `make <directory> [<prefix>]`: mkdir -p. Its steps are those of `makeSteps`, behind the prefix. */
export const MAKE = [
  'make() { if [ -d "$1" ]; then return; fi; mkdir -p -- "$1" && return;',
  'if [ -e "$1" ] || [ -L "$1" ]; then fail "${2-}exists"; fi; fail "${2-}mkdir"; }',
].join(' ');

export function makeSteps(path: string, prefix = ''): Record<string, StepError> {
  return {
    [`${prefix}exists`]: () => systemError('EEXIST', { syscall: 'mkdir', path }),
    // A file that is in the way further up: some programs say that it exists.
    [`${prefix}mkdir`]: code => systemStep({ syscall: 'mkdir', path })(code === 'EEXIST' ? 'ENOTDIR' : code),
  };
}

interface Start {
  readonly cwd: string;
  readonly home: string;
}

/** Per connection, because neither changes. */
const starts = new WeakMap<Server, Start>();

/** The path from the root, without dots, as `path.resolve` gives it on the drone. */
export async function absolute(call: MethodCall, path: string): Promise<string> {
  return path.startsWith('/') ? posix.resolve(path) : posix.resolve((await startOf(call)).cwd, path);
}

/** Puts the user's home directory in place of a leading `~`; a trailing slash stays. */
export async function expandHome(call: MethodCall, path: string): Promise<string> {
  if (path !== '~' && !path.startsWith('~/')) return path;
  return posix.join(call.drone.env['HOME'] ?? (await startOf(call)).home, path.slice(1));
}

async function startOf(call: MethodCall): Promise<Start> {
  const { server } = call.drone;
  let start = starts.get(server);
  if (start === undefined) {
    // The call itself has not begun with that.
    const drone = { ...call.drone, onRequest: () => undefined };
    const text = 'printf "%s\\0" "$(pwd -P)" "${HOME:-$(cd && pwd)}"';
    const [cwd = '/', home = '/'] = (await runSteps({ ...call, drone }, { text }, {})).toString().split('\0');
    start = { cwd, home };
    starts.set(server, start);
  }
  return start;
}
