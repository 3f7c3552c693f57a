// Drones connect cold, all in one round: how late the main thread's event loop is meanwhile, and what they cost in
// memory once they are warm.
import { setTimeout as delay } from 'node:timers/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';
import { openInlineQueue } from './inline-queue.js';
import { serve, upTo } from './program.js';

const THREADS = 2;
const WARM_ROUNDS = 5;
const SETTLE_MS = 500;
const NS_PER_MS = 1e6;
const OPTIONS = { connectTimeoutMs: 60_000 };

/** @typedef {{ execute(drones: Iterable<import('drone-task-queue').AnyDrone>): Promise<unknown>, close(): Promise<unknown> }} Queue */

/** Opens what the round needs besides connections. @type {Record<string, () => Promise<Queue>>} */
const QUEUES = {
  async threads() {
    const queue = new ThreadedTaskQueue({ ...OPTIONS, threads: THREADS });
    // Their start is not what is measured: a scheduler does that once.
    const fakes = upTo(8 * THREADS).map(at => new FakeDrone(`fake${at}`, { noOp: () => undefined }));
    for (const fake of fakes) fake.queueCall('noOp');
    await queue.execute(fakes);
    return queue;
  },
  inline: async () => openInlineQueue(OPTIONS),
};

/**
 * @typedef {object} Task
 * @property {'threads' | 'inline' | 'bare'} way
 * @property {import('drone-task-queue').SshDroneOptions[]} hosts
 */

serve(
  /** @param {Task} task */
  async ({ way, hosts }) => {
    const openBareAgents = way === 'bare' ? (await import('./bare-agent.js')).openBareAgents : undefined;
    const rssBefore = process.memoryUsage.rss();
    const queue = await QUEUES[way]?.();
    const drones = hosts.map((host, at) => new SshDrone(`drone${at}`, host));
    /** @type {import('./bare-agent.js').BareAgent[] | undefined} */
    let agents;
    const round = async () => {
      if (openBareAgents) {
        agents ??= await openBareAgents(hosts, hosts.length);
        await Promise.all(agents.map(agent => agent.noOp()));
      } else {
        for (const drone of drones) drone.queueCall('killProcesses', []);
        await queue?.execute(drones);
      }
    };

    const histogram = monitorEventLoopDelay({ resolution: 1 });
    histogram.enable();
    const startedAtMs = performance.now();
    await round();
    const wallMs = performance.now() - startedAtMs;
    histogram.disable();
    for (let warm = 0; warm < WARM_ROUNDS; warm++) await round();
    await delay(SETTLE_MS);
    const kbPerDrone = (process.memoryUsage.rss() - rssBefore) / 1024 / hosts.length;
    await queue?.close();
    for (const agent of agents ?? []) await agent.end();
    return {
      wallMs,
      p99Ms: histogram.percentile(99) / NS_PER_MS,
      maxMs: histogram.max / NS_PER_MS,
      kbPerDrone,
    };
  },
);
