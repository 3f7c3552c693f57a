/** Fault 15: a login shell that has something to say before the agent has. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { SshDrone } from 'drone-task-queue';
import { Scratch } from '../contract/trees.js';
import { leakCheck } from '../support/leak-check.js';
import { type Sshd, startSshd } from '../support/sshd.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { CONNECT_MS, Fleet, optionsAt } from './fleet.js';

leakCheck();

const SHORT_MS = 4000;
const FAILS = 'phase `bootstrap`, with the beginning of the text; all calls `notStarted` and back';

fault(
  {
    row: 15,
    fault: 'an rc file prints a banner',
    injected: 'an rc file in front of each command (`ForceCommand`) that prints 30 kB, the last line without a newline',
    sees: "its results: up to 64 KiB before the agent's marker are skipped",
    within: 'connect timeout + the time of the calls',
    withinMs: CONNECT_MS,
  },
  async ({ inTime }) => {
    await using fleet = await Fleet.start();
    await using host = await RcHost.start('yes "Welcome to the farm." | head -c 30000');
    const drone = new SshDrone('chatty', optionsAt(host.sshd, 0));
    const call = drone.queueCall('run', 'echo mine');
    assert.equal(call.valueIn(await inTime(fleet.succeeds(drone))).stdout, 'mine\n');
  },
);

const TALKERS = [
  {
    fault: 'an rc file prints more than is skipped',
    injected: 'an rc file (`ForceCommand`) that prints 100 kB',
    sees: `\`bootstrap\`, ${FAILS}`,
    within: 'at once',
    withinMs: 2000,
    rc: 'yes "Welcome to the farm." | head -c 100000',
    kind: 'bootstrap',
    says: /more than 65536 bytes of output before the agent's own: "Welcome to the farm\. Welcome/,
  },
  {
    fault: 'an rc file prints a refusal and ends the shell',
    injected: 'an rc file (`ForceCommand`) that prints a line and exits',
    sees: `\`bootstrap\`, ${FAILS}`,
    within: 'at once',
    withinMs: 2000,
    rc: 'echo "Maintenance until noon."; exit 1',
    kind: 'bootstrap',
    says: /the agent ended before it was ready: "Maintenance until noon\." \(the agent ended with status 1\)/,
  },
  {
    fault: 'an rc file prints a question and never ends',
    injected: 'an rc file (`ForceCommand`) that prints a question and never ends',
    sees: `\`timeout\`, ${FAILS}`,
    within: 'connect timeout',
    withinMs: SHORT_MS,
    rc: 'echo "Which farm?"; exec sleep 600',
    kind: 'timeout',
    says: /no agent within 4000 ms \(connectTimeoutMs\): "Which farm\?"/,
  },
] as const;

for (const { rc, kind, says, ...row } of TALKERS) {
  fault({ row: 15, ...row }, async watch => {
    await using fleet = await Fleet.start();
    await using host = await RcHost.start(rc);
    const limit = kind === 'timeout' ? { connectTimeoutMs: SHORT_MS } : {};
    const drone = new SshDrone('chatty', { ...optionsAt(host.sshd, 0), ...limit });
    const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
    const failure = await fleet.fails(drone, watch);
    assertFailure(drone, failure, { kind, phase: 'bootstrap', says, notStarted: calls, back: calls });
    await host.setRc('');
    await fleet.recovers(drone);
  });
}

/** A server whose login shell reads an rc file that is not the user's own: other tests log in as the same user. */
class RcHost implements AsyncDisposable {
  readonly sshd: Sshd;
  readonly #scratch: Scratch;

  private constructor(sshd: Sshd, scratch: Scratch) {
    this.sshd = sshd;
    this.#scratch = scratch;
  }

  static async start(rc: string): Promise<RcHost> {
    const scratch = await Scratch.make();
    const sshd = await startSshd({ ForceCommand: `. ${scratch.of('rc')}; eval "$SSH_ORIGINAL_COMMAND"` }, 1);
    const host = new RcHost(sshd, scratch);
    await host.setRc(rc);
    return host;
  }

  setRc(text: string): Promise<void> {
    return writeFile(this.#scratch.of('rc'), `${text}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sshd.stop();
    await this.#scratch[Symbol.asyncDispose]();
  }
}
