/** Fault 16: an agent that does not keep to the frames. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { SshDrone } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { Fleet } from './fleet.js';
import { lieOnThisMachine, lieOverSsh, SEES_LIE, type Told } from './lie.js';
import { answer } from './lying-utility.js';
import { StandIn } from './stand-in.js';

leakCheck();

const ROW = { row: 16, within: 'at once', withinMs: 2000 };
const INJECTED = {
  ssh: 'a program that acts as the agent until it gets a call',
  local: "a utility method that writes to the agent's stdout",
};

const FOUR_GIB = 0xffff_ffff;
/** "HTTP", read as a length. */
const TOO_LONG = /a frame announces 1347703880 bytes, more than the 67108864 allowed/;

const LIES: readonly (Told & { readonly fault: string; readonly vice: string })[] = [
  { fault: 'an answer that is not a frame', vice: 'garbage', kind: 'protocol', says: TOO_LONG },
  { fault: 'a frame of an unknown type', vice: 'unknown', kind: 'protocol', says: /a frame of unknown type 99/ },
  {
    fault: 'a frame that is cut short, followed by another frame',
    vice: 'truncated',
    kind: 'protocol',
    code: 'ERR_UNREADABLE_VALUE',
    says: /these 20 bytes are not a valid value/,
  },
  {
    fault: 'a frame that is cut short, followed by the end of the agent',
    vice: 'unfinished',
    kind: 'lost',
    says: /the agent ended with status 0/,
  },
];

for (const { fault: name, vice, ...told } of LIES) {
  const sees = `\`${told.kind}\`, ${SEES_LIE}`;
  fault({ ...ROW, fault: name, injected: INJECTED.ssh, sees }, watch => lieOverSsh(vice, watch, told));
}

fault(
  {
    ...ROW,
    fault: 'an answer that is not a frame, on this machine',
    injected: INJECTED.local,
    sees: `\`protocol\`, ${SEES_LIE}`,
  },
  watch => lieOnThisMachine(Buffer.from('HTTP/1.1 400 Bad Request\r\n'), watch, { kind: 'protocol', says: TOO_LONG }),
);

const HUGE: Told = { kind: 'protocol', says: /a frame announces 4294967295 bytes, more than the 67108864 allowed/ };

fault(
  {
    ...ROW,
    fault: 'a frame that announces 4 GiB',
    injected: INJECTED.ssh,
    sees: `\`protocol\`, ${SEES_LIE}; no memory is allocated for it`,
  },
  async watch => {
    await takesNoMemory(() => lieOverSsh('huge', watch, HUGE));
  },
);

fault(
  {
    ...ROW,
    fault: 'a frame that announces 4 GiB, on this machine',
    injected: INJECTED.local,
    sees: `\`protocol\`, ${SEES_LIE}; no memory is allocated for it`,
  },
  async watch => {
    await takesNoMemory(() => lieOnThisMachine(answer(1, 0, Buffer.alloc(1000), FOUR_GIB), watch, HUGE));
  },
);

fault(
  {
    ...ROW,
    fault: 'a program that sends the right marker, then another protocol',
    injected: 'an `agentCommand` that continues in HTTP',
    sees: '`protocol`, phase `bootstrap`; all calls `notStarted` and back',
  },
  async watch => {
    await using fleet = await Fleet.start();
    await using node = await StandIn.make(fleet.sshd);
    await node.lie('no-agent');
    const drone = new SshDrone('web-server', { ...fleet.droneOptions(), agentCommand: node.command });
    const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
    const failure = await fleet.fails(drone, watch);
    assertFailure(drone, failure, {
      kind: 'protocol',
      phase: 'bootstrap',
      says: TOO_LONG,
      notStarted: calls,
      back: calls,
    });
    await node.mend();
    await fleet.recovers(drone);
  },
);

/** Runs it, and holds this process to what a queue with a few drones takes. */
async function takesNoMemory(act: () => Promise<void>): Promise<void> {
  const beforeBytes = memory();
  await act();
  const afterBytes = memory();
  assert.ok(afterBytes.resident - beforeBytes.resident < FOUR_GIB / 16, 'resident memory');
  // What is asked for and never written to is not resident. A thread asks for some, too.
  assert.ok(afterBytes.peak - beforeBytes.peak < FOUR_GIB / 2, 'address space');
}

/** Of this process, threads included, bytes. */
function memory(): { readonly resident: number; readonly peak: number } {
  const peakKib = /^VmPeak:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return { resident: process.memoryUsage.rss(), peak: 1024 * Number(peakKib ?? NaN) };
}
