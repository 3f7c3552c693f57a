import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { events, LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { Witness } from '../contract/witness.js';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Others } from './others.js';

leakCheck();

const MIB = 1024 * 1024;
const KEPT_BYTES = 64 * 1024;
/** Far below what is written; a Node by itself takes 40 to 80 MiB. */
const MAX_AGENT_BYTES = 256 * MIB;
const MAX_GROWTH_BYTES = 192 * MIB;

/** What is written too much of, by the name of the fault; 1 GiB once, and then enough to fill a memory if it were kept. */
const FLOODS = [
  { fault: 'a command writes 1 GiB', command: 'yes', bytes: 1024 * MIB, text: 'y\n' },
  { fault: 'a command writes without a newline', command: "tr '\\0' x < /dev/zero", bytes: 128 * MIB, text: 'x' },
  {
    fault: 'a command writes invalid UTF-8',
    command: "tr '\\0' '\\377' < /dev/zero",
    bytes: 128 * MIB,
    text: '\ufffd',
  },
];

function peakBytesOf(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

for (const { fault: name, command, bytes, text } of FLOODS) {
  fault(
    {
      row: 21,
      fault: name,
      injected: `\`${command.split(' ')[0] ?? ''}\` into a pipe, over SSH and on localhost`,
      sees: '`truncated`, head and tail, the exact `totalBytes`; memory of controller and agent stays bounded. Streamed output is bytes',
      within: 'as fast as it writes',
      withinMs: 20_000,
    },
    async ({ inTime }) => {
      await using sshd = await startSshd();
      using opened = new Witness(events.linkOpen);
      await using queue = new ThreadedTaskQueue({ threads: 2 });
      const drones = [new SshDrone('web1', sshd.droneOptions()), new LocalDrone()];
      const others = new Others([new SshDrone('other', sshd.droneOptions('127.0.1.2')), new LocalDrone({ env: { OTHER: '1' } })]); // prettier-ignore
      await Promise.all(drones.map(drone => queue.call(drone, 'run', 'true')));
      const agents = opened.seen.map(({ agentPid }) => agentPid ?? 0);
      const heard: Buffer[] = [];
      const calls = drones.map(drone => ({
        flood: drone.queueCall('run', `${command} | head -c ${String(bytes)}`, { maxOutputBytes: KEPT_BYTES }),
        // As bytes on request, whatever they stand for.
        streamed: drone
          .with({ onOutput: (_stream, chunk) => void heard.push(Buffer.from(chunk)) })
          .queueCall('run', `${command} | head -c 100`),
      }));
      others.queueCalls();
      const beforeKib = process.resourceUsage().maxRSS;
      const results = await inTime(queue.execute([...drones, ...others.drones]));
      const growthBytes = (process.resourceUsage().maxRSS - beforeKib) * 1024;

      assert.equal(agents.length, drones.length);
      for (const pid of agents) {
        const peakBytes = peakBytesOf(pid);
        assert(peakBytes < MAX_AGENT_BYTES, `an agent took ${String(peakBytes)} bytes`);
      }
      assert(growthBytes < MAX_GROWTH_BYTES, `the controller grew by ${String(growthBytes)} bytes`);
      const [first = ''] = text;
      for (const { flood, streamed } of calls) {
        const { exitCode, truncated, totalBytes, stdout } = flood.valueIn(results);
        assert.deepEqual({ exitCode, truncated, totalBytes }, { exitCode: 0, truncated: true, totalBytes: { stdout: bytes, stderr: 0 } }); // prettier-ignore
        assert(stdout.startsWith(text.repeat(1000)) && stdout.endsWith(text.repeat(1000)));
        assert(stdout.length <= KEPT_BYTES + 200, `${String(stdout.length)} characters are kept`);
        assert.equal(streamed.valueIn(results).totalBytes.stdout, 100);
      }
      const byte = first === '\ufffd' ? 0xff : first.charCodeAt(0);
      const all = Buffer.concat(heard);
      assert.equal(all.byteLength, 100 * drones.length);
      assert.equal(all.filter(each => each === byte).byteLength, all.byteLength / text.length);
      others.assertFine(results);
    },
  );
}
