/**
 * A shard that only a signal ends, and that then has to end by itself. `start-up`: it gets one as it starts, and its
 * first heartbeat waits for a line on stdin; `pause`: it stands in a pause of an hour; `deaf-master`: its master never answers.
 */
import { once } from 'node:events';
import { farmMigrations, type FarmTables, type MasterLink, ShardClient } from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { emptyReply } from '../../fake-master.js';

const say = (word: string): void => {
  process.stdout.write(`${word}\n`);
};
const quiet = (): void => undefined;

const mode = process.argv[2];
const link: MasterLink = {
  async heartbeat(_packet, signal) {
    say('asks');
    if (mode === 'start-up') await once(process.stdin, 'data');
    if (mode === 'deaf-master') {
      await once(signal, 'abort');
      throw signal.reason;
    }
    return { reply: emptyReply, requestBytes: 0, responseBytes: 0 };
  },
};
await using store = await Store.open<FarmTables>({ memory: true });
await store.migrate(farmMigrations);
const client = new ShardClient(store, link, {
  shardHostname: 'shard4',
  pauseMs: 3_600_000,
  log: { debug: quiet, info: say, warn: say, error: say },
});
const loop = client.loop();
if (mode === 'start-up') process.kill(process.pid, 'SIGTERM');
await loop;
process.stdin.destroy();
say(`ended after ${String(client.heartbeats)}`);
