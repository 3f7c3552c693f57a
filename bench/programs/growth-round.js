// What a drone costs among so many: connecting cold, in a warm round, in memory.
import { setTimeout as delay } from 'node:timers/promises';
import { SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone } from 'drone-task-queue/testing';
import { addressOf, roundsFor, serve, timeRounds } from './program.js';

const SETTLE_ROUNDS = 3;
const SETTLE_MS = 500;

/**
 * @typedef {object} Task
 * @property {readonly import('drone-task-queue').SshDroneOptions[]} hosts Of the drones, or empty for fakes.
 * @property {number} drones
 */

serve(
  /** @param {Task} task */
  async ({ hosts, drones: count }) => {
    const queue = new ThreadedTaskQueue({ threads: 2, connectTimeoutMs: 60_000, roundDeadlineMs: Infinity });
    /** @param {number} at */
    const droneAt = at => {
      const host = hosts[at % hosts.length];
      if (host) return new SshDrone(`drone${at}`, { ...host, host: addressOf(at) });
      return new FakeDrone(`drone${at}`, { killProcesses: () => [] });
    };
    /** @param {readonly ReturnType<typeof droneAt>[]} drones */
    const roundOf = drones => {
      for (const drone of drones) {
        if (drone instanceof SshDrone) drone.queueCall('killProcesses', []);
        else drone.queueCall('killProcesses');
      }
      return queue.execute(drones);
    };
    // What comes once and not per drone: threads, modules.
    await roundOf([droneAt(count), droneAt(count + 1)]);
    const rssBefore = process.memoryUsage.rss();
    const drones = Array.from({ length: count }, (_, at) => droneAt(at));
    const round = () => roundOf(drones);
    const cold = await timeRounds(count, 1, round);
    // Before thousands of rounds have made the heap as large as garbage may make it.
    await timeRounds(count, SETTLE_ROUNDS, round);
    await delay(SETTLE_MS);
    const kbPerDrone = (process.memoryUsage.rss() - rssBefore) / 1024 / count;
    const rounds = roundsFor(count);
    await timeRounds(count, rounds, round);
    const warm = await timeRounds(count, rounds, round);
    await queue.close();
    return { cold, warm, kbPerDrone };
  },
);
