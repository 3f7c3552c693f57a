/** The built-in methods of a drone without an agent, by name. */
import type { MethodTable, UtilityMethods } from '../../../../wire/methods.js';
import { executeCommand } from './commands.js';
import { copyFileOrDirectory } from './copies.js';
import { appendToFile, initialize, writeFile } from './files.js';
import { killProcesses } from './processes.js';
import { refresh } from './refresh.js';
import { run } from './run.js';
import type { MethodCall } from './script.js';
import { transferBy } from './transfers.js';

export const plainMethods: MethodTable<MethodCall> = {
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

export function isPlainMethod(method: string): method is keyof UtilityMethods {
  return Object.hasOwn(plainMethods, method);
}
