/** Fault 10: a drone that reboots between two rounds. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { events, SshDrone } from 'drone-task-queue';
import { Scratch } from '../contract/trees.js';
import { Witness } from '../contract/witness.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { CONNECT_MS, Fleet, optionsAt } from './fleet.js';

leakCheck();

fault(
  {
    row: 10,
    fault: 'the drone reboots between two rounds',
    injected: 'sshd and all its sessions are terminated, then sshd is started again',
    sees: 'its results, each call run once, over a new connection (event `linkOpen`)',
    within: 'connect timeout',
    withinMs: CONNECT_MS,
  },
  async ({ inTime }) => {
    await using fleet = await Fleet.start();
    await using sshd = await startSshd({}, 1);
    await using scratch = await Scratch.make();
    using opened = new Witness(events.linkOpen);
    using closed = new Witness(events.linkClose);
    const drone = new SshDrone('rebooted', optionsAt(sshd, 0));
    const mark = `echo ran >> ${scratch.of('runs')}`;
    drone.queueCall('run', mark);
    await fleet.succeeds(drone);
    await sshd.reboot();
    await closed.first(({ hostname }) => hostname === 'rebooted');
    drone.queueCall('run', mark);
    await inTime(fleet.succeeds(drone));
    assert.equal(await readFile(scratch.of('runs'), 'utf8'), 'ran\nran\n');
    assert.equal(opened.seen.filter(({ hostname }) => hostname === 'rebooted').length, 2);
  },
);
