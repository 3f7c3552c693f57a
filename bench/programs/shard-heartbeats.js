// A farm of fifty shards of three sizes on one master in an SQLite file: how long heartbeats take, and how large they are.
import { farmMigrations, ShardMaster } from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { serve, upTo } from './program.js';

const FINISHED_JOBS = 100;

/** @typedef {import('drone-task-queue/shard').FarmTables} FarmTables */
/** @typedef {{ shards: number, hosts: number, jobs: number }} Size */
/** @typedef {import('drone-task-queue/shard').HeartbeatPacket} Packet */

serve(
  /** @param {{ file: string, sizes: Size[] }} task */
  async ({ file, sizes }) => {
    /** @type {Store<FarmTables>} */
    const store = await Store.open({ file });
    await store.migrate(farmMigrations);
    const master = new ShardMaster(store);
    const shards = sizes.flatMap(size => upTo(size.shards).map(() => size));
    const createMs = await timed(() => createFarm(master, shards));
    // Those that come first find all jobs of the farm waiting: all sizes are to have some of them.
    const order = upTo(shards.length).sort((a, b) => ((a * 7) % shards.length) - ((b * 7) % shards.length));
    const reports = [];
    for (const at of order) {
      const { hosts, jobs } = shards[at] ?? { hosts: 0, jobs: 0 };
      reports.push({ hosts, jobs, ...(await heartbeats(master, nameOf(at))) });
    }
    await store.close();
    return { createMs, reports };
  },
);

/** @param {number} at */
function nameOf(at) {
  return `shard-${String(at)}`;
}

/** @param {() => Promise<unknown>} work */
async function timed(work) {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/**
 * @param {ShardMaster<FarmTables>} master
 * @param {Size[]} shards
 */
async function createFarm(master, shards) {
  for (const at of shards.keys()) {
    await master.createLabel(nameOf(at));
    await master.createShard({ hostname: nameOf(at), labels: [nameOf(at)] });
  }
  await master.createHosts(
    shards.flatMap(({ hosts }, at) =>
      upTo(hosts).map(host => ({ hostname: `host-${String(at)}-${String(host)}`, labels: [nameOf(at)] })),
    ),
  );
  await master.createJobs(
    shards.flatMap(({ jobs }, at) =>
      upTo(jobs).map(job => ({
        name: `job ${String(job)}`,
        owner: 'bench',
        command: 'run it',
        keyvals: { build: '7' },
        entries: [{ metaHost: nameOf(at) }],
      })),
    ),
  );
}

/**
 * Everything of a shard, as many heartbeats as that takes; one with nothing new; one that uploads finished jobs.
 * @param {ShardMaster<FarmTables>} master
 * @param {string} shardHostname
 */
async function heartbeats(master, shardHostname) {
  /** @type {Packet} */
  const packet = { version: 1, shardHostname, knownJobIds: [], knownHosts: [], jobs: [], entries: [] };
  /** @type {{ id: number, entries: object[] }[]} */
  const jobs = [];
  const first = await heartbeat(master, packet);
  for (let { reply } = first; reply.hosts.length + reply.jobs.length > 0;) {
    for (const { id } of /** @type {{ id: number }[]} */ (reply.hosts)) packet.knownHosts.push({ id, status: 'Ready' });
    jobs.push(.../** @type {typeof jobs} */ (reply.jobs));
    packet.knownJobIds = jobs.map(({ id }) => id);
    ({ reply } = await heartbeat(master, packet));
  }
  const idle = await heartbeat(master, packet);
  const finished = jobs.splice(0, FINISHED_JOBS);
  const upload = await heartbeat(master, {
    ...packet,
    knownJobIds: jobs.map(({ id }) => id),
    jobs: finished.map(({ entries: _, ...job }) => withoutRelated(job)),
    entries: finished.flatMap(({ entries }) =>
      entries.map(entry => ({
        ...withoutRelated(entry),
        status: 'Completed',
        complete: 1,
        finished_on: '2026-01-01T00:00:00.000Z',
      })),
    ),
  });
  if (upload.reply.acknowledgedJobIds.length !== finished.length) throw new Error(JSON.stringify(upload.reply.refused));
  return { first: first.cost, idle: idle.cost, upload: upload.cost };
}

/** @param {object} record */
function withoutRelated(record) {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => typeof value !== 'object' || value === null));
}

/**
 * @param {ShardMaster<FarmTables>} master
 * @param {Packet} packet
 */
async function heartbeat(master, packet) {
  const request = JSON.stringify(packet);
  const startMs = performance.now();
  const reply = await master.heartbeat(packet.shardHostname, JSON.parse(request));
  const response = JSON.stringify(reply);
  const ms = performance.now() - startMs;
  return { reply, cost: { ms, requestKb: request.length / 1000, replyKb: response.length / 1000 } };
}
