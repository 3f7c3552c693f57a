/** A round with an agent that lies: over SSH a program in its place, on this machine a method that writes in its name. */
import assert from 'node:assert/strict';
import { events, LocalDrone, SshDrone } from 'drone-task-queue';
import { Witness } from '../contract/witness.js';
import { assertFailure, type Expected } from './expected.js';
import type { FaultWatch } from './fault.js';
import { Fleet } from './fleet.js';
import { LYING_UTILITY, type LyingMethods } from './lying-utility.js';
import { StandIn } from './stand-in.js';

/** How the lie is reported; all else is the same for all lies. */
export type Told = Pick<Expected, 'kind' | 'says' | 'code'> & {
  /** How many answers were believed before. */
  readonly believed?: number;
};

/** What the caller sees of it. */
export const SEES_LIE =
  'phase `call`; all unanswered calls `mayHaveRun`, only idempotent calls are back; the connection is closed';

/** See lying-agent.mjs for the vices. */
export async function lieOverSsh(vice: string, watch: FaultWatch, told: Told): Promise<void> {
  await using fleet = await Fleet.start();
  await using node = await StandIn.make(fleet.sshd);
  using closed = new Witness(events.linkClose);
  await node.lie(vice);
  const drone = new SshDrone('liar', { ...fleet.droneOptions(), agentCommand: node.command });
  const calls = ['one', 'two', 'three'].map(word => drone.queueCall('run', `echo ${word}`));
  const failure = await fleet.fails(drone, watch);
  const { believed = 0, ...expected } = told;
  const mayHaveRun = calls.slice(believed);
  assertFailure(drone, failure, { phase: 'call', ...expected, completed: believed, mayHaveRun, back: [] });
  assert.equal((await closed.first()).hostname, 'liar');
  await node.mend();
  const next = drone.queueCall('run', 'echo truth');
  assert.equal(next.valueIn(await fleet.recovers(drone)).stdout, 'truth\n');
}

/** `bytes` come in place of the second call's answer. */
export async function lieOnThisMachine(bytes: Uint8Array, watch: FaultWatch, told: Told): Promise<void> {
  await using fleet = await Fleet.start();
  using closed = new Witness(events.linkClose);
  const drone = new LocalDrone<LyingMethods>({ utility: LYING_UTILITY });
  drone.queueCall('echo', 'true');
  const mayHaveRun = [drone.queueCall('say', bytes), drone.queueCall('echo', 'late')];
  const failure = await fleet.fails(drone, watch);
  assertFailure(drone, failure, { phase: 'call', ...told, completed: 1, mayHaveRun, back: [] });
  assert.equal((await closed.first()).hostname, 'localhost');
  const next = drone.queueCall('echo', 'truth');
  assert.equal(next.valueIn(await fleet.recovers(drone)), 'truth');
}
