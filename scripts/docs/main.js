// Writes every page of the docs that is made from the source. A test compares them with what is here. Needs dist/.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as benchmarks from './benchmarks.js';
import * as errors from './errors.js';
import * as failures from './failures.js';
import * as faults from './faults.js';
import * as observability from './observability.js';
import * as options from './options.js';
import { filled, ROOT } from './source.js';
import * as sshConfig from './ssh-config.js';

/** What the pages should be, by their paths. @returns {Promise<Map<string, string>>} */
export async function generatedPages() {
  /** @type {[path: string, text: string][]} */
  const pages = [
    ...(await options.pages()),
    ['docs/errors.md', errors.page()],
    ['docs/failures.md', failures.page()],
    ['docs/observability.md', observability.page()],
    ['docs/ssh-config.md', sshConfig.page()],
    ['docs/benchmarks.md', benchmarks.page()],
    [faults.PAGE, faults.page()],
  ];
  /** @type {Map<string, string>} */
  const all = new Map();
  for (const [path, text] of pages) all.set(path, filled(text));
  return all.set('README.md', benchmarks.readme());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(new URL('docs/options/', ROOT), { recursive: true });
  for (const [path, text] of await generatedPages()) writeFileSync(new URL(path, ROOT), text);
}
