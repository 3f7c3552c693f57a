/**
 * Hard cases for commands on a drone without Node. Each runs through the public interface, so it holds for whatever way a
 * command takes to its drone: an exec channel of its own, a resident shell, or an agent of Node.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after, before, describe } from 'node:test';
import { type DroneHost, type HostOptions, setLastPid, startHost } from '../../../../support/drone-hosts.js';
import { leakCheck } from '../../../../support/leak-check.js';
import { AT_ONCE } from './hard-cases/at-once.js';
import { DEADLINES } from './hard-cases/deadlines.js';
import { ENDS } from './hard-cases/ends.js';
import { ENVIRONMENT } from './hard-cases/environment.js';
import { KILLS } from './hard-cases/kills.js';
import { type HardCase, Lab } from './hard-cases/lab.js';
import { LATE_OUTPUT } from './hard-cases/late-output.js';
import { LEFTOVERS } from './hard-cases/leftovers.js';
import { LINKS } from './hard-cases/links.js';
import { PROTOCOL } from './hard-cases/protocol.js';
import { SHELL_TEXTS } from './hard-cases/shell-texts.js';
import { STDIN } from './hard-cases/stdin.js';
import { STREAMS } from './hard-cases/streams.js';

export const HARD_CASES: readonly HardCase[] = [
  ...STREAMS,
  ...ENDS,
  ...STDIN,
  ...ENVIRONMENT,
  ...SHELL_TEXTS,
  ...PROTOCOL,
  ...LATE_OUTPUT,
  ...LEFTOVERS,
  ...KILLS,
  ...DEADLINES,
  ...LINKS,
  ...AT_ONCE,
];

export const QUICK_CASES = HARD_CASES.filter(({ isQuick }) => isQuick);

const HIGHEST_PID = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8')) - 1;
/** From case to case, the numbers wrap so many processes later at most. */
const NUMBERS_LEFT = 12;

/** Makes a test of each case that applies to such a host, on one server. `name` begins their names. */
export function hardCases(name: string, options: HostOptions, cases: readonly HardCase[] = HARD_CASES): void {
  describe(name, () => {
    let host: DroneHost | undefined;
    before(async () => {
      host = await startHost(options);
    });
    after(() => host?.[Symbol.asyncDispose]());
    leakCheck();

    for (const [at, each] of cases.filter(({ where }) => where?.(options) ?? true).entries()) {
      const otherwise = each.otherwise?.find(({ where }) => where(options));
      const behaves = otherwise === undefined ? '' : `; otherwise, as ${otherwise.because}`;
      test(`${name}: ${each.name}${behaves}`, async () => {
        assert(host);
        await using lab = new Lab(host, each.queueOptions);
        await lab.warmUp();
        // Sooner or later its processes get the lowest numbers again.
        if (options.ownPids) await setLastPid(host, HIGHEST_PID - 2 - (at % NUMBERS_LEFT));
        await (otherwise ?? each).run(lab);
        await lab.checkNext();
      });
    }
  });
}
