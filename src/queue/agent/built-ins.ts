/** The methods that every agent has, by name. */
import type { UtilityMethods } from '../wire/methods.js';
import type { CallContext } from './call-context.js';
import { copyFileOrDirectory, initialize, writeToFile } from './files.js';
import { executeCommand } from './execute-command.js';
import { killProcesses } from './kill-processes.js';
import { refresh } from './refresh.js';
import { run } from './run.js';
import { transferBy } from './transfer.js';

/** Arguments are as they came over the wire: each method checks its own. */
type BuiltIns = {
  readonly [K in keyof UtilityMethods]: (
    context: CallContext,
    ...args: unknown[]
  ) => Promise<ReturnType<UtilityMethods[K]>>;
};

export const builtIns: BuiltIns = {
  run,
  initialize,
  executeCommand,
  refresh,
  killProcesses,
  writeToFile,
  copyFileOrDirectory,
  putFile: transferBy('putFile'),
  getFile: transferBy('getFile'),
  putDirectory: transferBy('putDirectory'),
  getDirectory: transferBy('getDirectory'),
};

export function isBuiltIn(method: string): method is keyof UtilityMethods {
  return Object.hasOwn(builtIns, method);
}
