/** A process that may open no more files, and looks for one that certainly runs: itself. Prints what it was told. */
import { openSync } from 'node:fs';
import { processGroupOf } from '../../../src/process/process-table.js';

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
for (let code; code !== 'EMFILE';) {
  try {
    openSync('/dev/null', 'r');
  } catch (error) {
    code = codeOf(error);
  }
}
const told = await processGroupOf(process.pid).then(pgid => `group ${String(pgid)}`, codeOf);
process.stdout.write(`${told}\n`);
