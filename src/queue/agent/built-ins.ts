/** The methods that every agent has, by name. */
import type { MethodTable, UtilityMethods } from '../wire/methods.js';
import type { CallContext } from './call-context.js';
import { appendToFile, copyFileOrDirectory, initialize, writeFile } from './files.js';
import { executeCommand } from './execute-command.js';
import { killProcesses } from './kill-processes.js';
import { refresh } from './refresh.js';
import { run } from './run.js';
import { transferBy } from './transfer.js';

export const builtIns: MethodTable<CallContext> = {
  run,
  initialize,
  executeCommand,
  refresh,
  killProcesses,
  writeFile,
  appendToFile,
  copyFileOrDirectory,
  putFile: transferBy('putFile'),
  getFile: transferBy('getFile'),
  putDirectory: transferBy('putDirectory'),
  getDirectory: transferBy('getDirectory'),
};

export function isBuiltIn(method: string): method is keyof UtilityMethods {
  return Object.hasOwn(builtIns, method);
}
