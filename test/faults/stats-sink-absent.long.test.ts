import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { LocalDrone, type StatsServer, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Others } from './others.js';

leakCheck();

/** A UDP port without a listener any more. */
async function deadPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

/** Where metrics go in vain; `told`: whether it can be noticed. UDP without a listener is lost in silence. */
const SINKS: readonly { fault: string; server: () => Promise<StatsServer>; told: boolean; sees: string }[] = [
  {
    fault: 'the StatsD sink is absent',
    server: async () => ({ host: '127.0.0.1', port: await deadPort() }),
    told: false,
    sees: 'nothing: the round is not affected',
  },
  {
    fault: 'the name of the StatsD sink does not resolve',
    server: async () => ({ host: 'no-such-host.invalid' }),
    told: true,
    sees: 'a log line at the first, tenth, hundredth failure, with the count; the round is not affected',
  },
];

for (const { fault: name, server, told, sees } of SINKS) {
  fault(
    {
      row: 34,
      fault: name,
      injected: '`stats: { host, port }`, over two rounds',
      sees,
      within: 'no delay',
      withinMs: 5000,
    },
    async ({ inTime }) => {
      await using sshd = await startSshd();
      const lines: [message: string, fields?: Record<string, unknown>][] = [];
      const drop = (): void => undefined;
      const log = { debug: drop, info: drop, error: drop, warn: (...line: (typeof lines)[number]) => lines.push(line) };
      const others = new Others([new SshDrone('other', sshd.droneOptions()), new LocalDrone()]);
      {
        await using queue = new ThreadedTaskQueue({ threads: 2, stats: await server(), log });
        for (const _ of [1, 2]) {
          others.queueCalls();
          others.assertFine(await inTime(queue.execute(others.drones)));
        }
      }
      // Closing sends what is held back, and so tells at the latest.
      assert.equal(lines.length > 0, told, JSON.stringify(lines));
      for (const [message] of lines) assert.match(message, /metric|stats/i);
    },
  );
}
