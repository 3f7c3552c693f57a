// docs/faults.md: its text, and the table of the last run of the fault suite (scripts/faults.js), which only a run replaces.
import { readFileSync } from 'node:fs';
import { elsewhere } from './faults-elsewhere.js';
import { ROOT } from './source.js';

export const PAGE = 'docs/faults.md';

const HEAD = `# Faults

Each line of the first table is a test that causes a real fault: on a real OpenSSH server if SSH is involved, and also
with this machine as the drone if that applies. Healthy drones work alongside the faulty one, in the same round of the
same queue. If the round continues, all of their results are complete and correct. Each test checks everything that its
line states, down to the calls in each list of the failure, and fails if it takes more than five times the promised time.

In a clone of the repository, \`npm run faults\` runs the tests and writes the table; \`npm run docs\` writes the text.
Faults of Redis, git, proxies and stores, and more of SSH, are [below](#tested-beside-their-part).

- **What the caller sees**: kind, phase and fields of the drone's DroneError; [failures.md](failures.md) explains them.
  "Back" means back at the front of the drone's queue, to run in the next round. What to do with other calls is up to
  the caller.
- **Promised within**: how soon the drone's failure is known (event \`workerException\`); \`execute\` reports it when
  the round has ended. "At once" means as soon as the scheduler can know. The time in brackets uses the limits of the
  test, which are shorter than the defaults: connect timeout 10 s, call timeout 10 min, round deadline 15 min, kill
  grace 2 s, keepalive 15 s × (3 + 1), thread watchdog 10 s plus a quarter.
- **Took**: from the start of the wait to its end in this run, including the start and end of processes in between. If
  there is no failure, it is the whole round.

If several limits could end a call, the first one to expire determines the failure. With the defaults, that is the
call's own limit, or the keepalive (\`lost\`) on a connection that stops forwarding.
`;

/** The page with the table of a run; \`run\` begins with the line of date and machine. @param {string} run */
export function pageOf(run) {
  return `${HEAD}\n${run}\n${elsewhere()}`;
}

/** The page with the table that it has. */
export function page() {
  const [run] = /^\d{4}-\d\d-\d\d, .*\n\n(?:\|.*\n)+/m.exec(readFileSync(new URL(PAGE, ROOT), 'utf8')) ?? [];
  if (run === undefined) throw new Error(`${PAGE} has no table of a run: npm run faults`);
  return pageOf(run);
}
