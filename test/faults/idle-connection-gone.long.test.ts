/** Fault 11: a connection that was unused for long, and that is gone by then. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { SshDrone } from 'drone-task-queue';
import { Scratch } from '../contract/trees.js';
import { leakCheck } from '../support/leak-check.js';
import { fault } from './fault.js';
import { Fleet } from './fleet.js';

leakCheck();

/** A connection that was silent for so long is probed, and none is given up for its silence. */
const IDLE = { keepaliveIntervalMs: 100, keepaliveCount: Infinity };
/** As long as a probe takes at most; an agent's start takes as long as that on a machine with ten other things to do. */
const PROBE_MS = 5000;
const CONNECT_MS = 5000;

fault(
  {
    row: 11,
    fault: 'an idle connection is silently gone when it is used again',
    injected: 'a TCP proxy in front of sshd that stops forwarding, and five idle keepalive intervals',
    sees: 'its results, each call run once: the connection is probed, then replaced before anything is sent',
    within: 'probe + connect timeout',
    withinMs: PROBE_MS + CONNECT_MS,
  },
  async ({ inTime }) => {
    await using fleet = await Fleet.start({ ...IDLE, connectTimeoutMs: PROBE_MS });
    await using proxy = await fleet.proxy();
    await using scratch = await Scratch.make();
    const drone = new SshDrone('rested', await fleet.behind(proxy));
    await fleet.queue.call(drone, 'run', 'true');
    proxy.halfOpen();
    await delay(5 * IDLE.keepaliveIntervalMs);
    const call = drone.queueCall('run', `echo ran | tee -a ${scratch.of('runs')}`);
    const results = await inTime(fleet.succeeds(drone));
    assert.equal(call.valueIn(results).stdout, 'ran\n');
    assert.equal(await readFile(scratch.of('runs'), 'utf8'), 'ran\n');
    assert.equal(proxy.connections, 2);
  },
);
