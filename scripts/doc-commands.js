// Commands of the project in the pages' blocks of sh: they must exist.
import { readFileSync } from 'node:fs';
import { USAGE } from '../dist/shard/cli/command-line.js';

const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const SHARD_COMMANDS = [...USAGE.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(found => String(found[1]));

/**
 * @param {string} page
 * @param {readonly import('./markdown.js').Fence[]} fences
 */
export function commandBreaches(page, fences) {
  const blocks = fences.filter(({ info }) => info === 'sh');
  return blocks.flatMap(({ text, line }) =>
    text.split('\n').flatMap((command, at) => {
      const problem = problemOf(command);
      return problem === undefined ? [] : [`${page}:${String(line + 1 + at)}: ${problem}`];
    }),
  );
}

/** @param {string} line @returns {string | undefined} */
function problemOf(line) {
  const [command = ''] = line.split(/(?:^|\s)#/);
  const script = /\bnpm run ([\w:-]+)/.exec(command)?.[1];
  if (script !== undefined && !(script in scripts)) return `package.json has no script '${script}'`;
  const shard = /(?:^\s*|\bnpx )drone-shard ((?:--(?:config|log)[ =]\S+ )*)([a-z][\w-]*)/.exec(command)?.[2];
  if (shard !== undefined && !SHARD_COMMANDS.includes(shard)) return `drone-shard has no command '${shard}'`;
  return undefined;
}
