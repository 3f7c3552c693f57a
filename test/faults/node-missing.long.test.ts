/** Fault 13: no Node on the drone that could run the agent. */
import assert from 'node:assert/strict';
import { SshDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { CONNECT_MS, Fleet } from './fleet.js';
import { StandIn } from './stand-in.js';

leakCheck();

const ROW = { row: 13, within: 'at once', withinMs: 2000 };

const UNFIT = [
  {
    fault: 'there is no Node on the drone',
    injected: 'an `agentCommand` that does not exist',
    sees: "`bootstrap`, phase `bootstrap`, with the shell's message; all calls `notStarted` and back",
    script: undefined,
    says: /no node on the drone: .*not found/,
  },
  {
    fault: 'the Node on the drone is too old',
    injected: 'an `agentCommand` that answers as Node 16 does',
    sees: '`bootstrap`, phase `bootstrap`, with the version found; all calls `notStarted` and back',
    script: 'printf "\\n%s v16.20.2\\n" "$3"; exit 1',
    says: /the agent needs Node 18 or newer on the drone, found "v16\.20\.2"/,
  },
  {
    fault: 'the program named Node is a different program',
    injected: 'an `agentCommand` that prints its usage and exits',
    sees: '`bootstrap`, phase `bootstrap`, with its output; all calls `notStarted` and back',
    script: 'echo "usage: node [peer]" >&2; exit 2',
    says: /the agent ended before it was ready: "usage: node \[peer\]" \(the agent ended with status 2\)/,
  },
] as const;

for (const { script, says, ...row } of UNFIT) {
  fault({ ...ROW, ...row }, async watch => {
    await using fleet = await Fleet.start();
    await using node = await StandIn.make(fleet.sshd);
    if (script !== undefined) await node.be(script);
    const drone = new SshDrone('unfit', { ...fleet.droneOptions(), agentCommand: node.command });
    const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
    const failure = await fleet.fails(drone, watch);
    assertFailure(drone, failure, { kind: 'bootstrap', phase: 'bootstrap', says, notStarted: calls, back: calls });
    await node.mend();
    await fleet.recovers(drone);
  });
}

fault(
  {
    ...ROW,
    fault: "there is no Node on the drone, and `agent: 'auto'`",
    injected: 'an `agentCommand` that does not exist',
    sees: 'its results: each `run` is a separate SSH command',
    within: 'connect timeout',
    withinMs: CONNECT_MS,
  },
  async ({ inTime }) => {
    await using fleet = await Fleet.start();
    await using node = await StandIn.make(fleet.sshd);
    const drone = new SshDrone('plain', { ...fleet.droneOptions(), agentCommand: node.command, agent: 'auto' });
    const calls = ['one', 'two'].map(word => drone.queueCall('run', `echo ${word}`));
    const results = await inTime(fleet.succeeds(drone));
    assert.deepEqual(
      calls.map(call => call.valueIn(results).stdout),
      ['one\n', 'two\n'],
    );
  },
);
