/** Fault 7: a hop on the way whose host key is not what it was. */
import { readFile, writeFile } from 'node:fs/promises';
import { SshDrone } from 'drone-task-queue';
import { Scratch } from '../contract/trees.js';
import { leakCheck } from '../support/leak-check.js';
import { assertFailure } from './expected.js';
import { fault } from './fault.js';
import { Fleet, optionsAt } from './fleet.js';

leakCheck();

/** What becomes of the lines of a known_hosts file, and how it is reported. */
const SPOILED = [
  {
    what: 'changed',
    injected: 'a known_hosts file that has other keys for the hop',
    line: (line: string) => line.replace(/.{8}$/, 'AAAAAAAA'),
    code: 'ERR_HOST_KEY_CHANGED',
  },
  {
    what: 'revoked',
    injected: 'a known_hosts file that has revoked the keys of the hop',
    line: (line: string) => `@revoked ${line}`,
    code: 'ERR_HOST_KEY_REVOKED',
  },
] as const;

for (const { what, injected, line, code } of SPOILED) {
  for (const number of [1, 2]) {
    fault(
      {
        row: 7,
        fault: `the host key of hop ${String(number)} of two is ${what}`,
        injected,
        sees: `\`host-key\`, \`cause.code\` \`${code}\`, with the hop, the file and its line; all calls \`notStarted\` and back`,
        within: 'at once',
        withinMs: 2000,
      },
      async watch => {
        await using fleet = await Fleet.start();
        await using scratch = await Scratch.make();
        const { sshd } = fleet;
        const knownHosts = scratch.of('spoiled');
        const known = await readFile(sshd.knownHosts, 'utf8');
        await writeFile(knownHosts, known.trim().split('\n').map(line).join('\n'));
        const via = [1, 2].map(at => {
          const options = optionsAt(sshd, 3 + at);
          return new SshDrone(`hop${String(at)}`, at === number ? { ...options, knownHosts } : options);
        });
        const drone = new SshDrone('behind', { ...fleet.droneOptions(), via });
        const calls = [drone.queueCall('run', 'true'), drone.queueCall('run', 'true')];
        const failure = await fleet.fails(drone, watch);
        const hop = `${sshd.user}@${sshd.addresses[3 + number] ?? ''}:${String(sshd.port)}`;
        assertFailure(drone, failure, {
          kind: 'host-key',
          phase: 'handshake',
          // A connection to each hop so far.
          attempts: number,
          code,
          says: new RegExp(`via ${hop}: host key of .* ${what}: .*spoiled line \\d+`),
          notStarted: calls,
          back: calls,
        });
        await writeFile(knownHosts, known);
        await fleet.recovers(drone);
      },
    );
  }
}
