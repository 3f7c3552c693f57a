/**
 * A process that may open no more files. It prints what becomes of a git that it starts then or, given a program whose
 * `fetch` hangs, and the file that tells of its group, of one at the same place after a git that no signal reaches.
 */
import { existsSync, openSync, readFileSync } from 'node:fs';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { mayPass } from '../../../src/executor/git-error.js';
import { Git } from '../../../src/executor/git.js';

const [, , program, file = ''] = process.argv;
const kill = process.kill.bind(process);
const git = new Git({ program, killGraceMs: 50 });
// Whatever is loaded or opened at first use.
await git.run(['version']);
process.stdout.write('');
const stop = new AbortController();
const hanging = program === undefined ? undefined : git.run(['fetch'], { place: '/here', signal: stop.signal });
while (hanging !== undefined && !existsSync(file)) await delay(10);
const pgid = hanging === undefined ? undefined : Number(readFileSync(file, 'utf8'));
process.kill = (pid, signal) => (pid < 0 && signal !== 0 ? true : kill(pid, signal));
for (let isOut = false; !isOut;) {
  try {
    openSync('/dev/null', 'r');
  } catch {
    isOut = true;
  }
}
stop.abort(new Error('given up'));
const end = await (hanging?.then(() => 'done', String) ?? 'none');
const next = await git.run(['version'], { place: '/here' }).catch((error: unknown) => error);
// An 'error' without a listener comes now.
await nextTurn();
if (pgid !== undefined) kill(-pgid, 'SIGKILL');
process.stdout.write(`${end}, ${String((next as { code?: unknown }).code)} ${String(mayPass(next))}\n`);
process.exit();
