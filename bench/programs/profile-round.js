// Client CPU by package, connecting cold and in warm rounds, with all of ours on one thread.
import { SshDrone } from 'drone-task-queue';
import { openInlineQueue } from './inline-queue.js';
import { profile } from './profile.js';
import { roundsFor, serve, timeRounds } from './program.js';

serve(
  /** @param {{ hosts: readonly import('drone-task-queue').SshDroneOptions[] }} task */
  async ({ hosts }) => {
    const queue = openInlineQueue({ connectTimeoutMs: 60_000 });
    const drones = hosts.map((host, at) => new SshDrone(`drone${at}`, host));
    /** @param {readonly SshDrone[]} some */
    const roundOf = some => {
      for (const drone of some) drone.queueCall('killProcesses', []);
      return queue.execute(some);
    };
    const round = () => roundOf(drones);
    const count = roundsFor(drones.length);
    const rounds = () => timeRounds(drones.length, count, round);
    // Loading modules is nothing that each drone costs.
    await roundOf(hosts.slice(0, 1).map(host => new SshDrone('first', { ...host, user: 'first' })));
    const cold = await profile(round);
    await rounds();
    const { cpuUs } = await rounds();
    const warm = await profile(rounds);
    await queue.close();
    /** @param {Record<string, number>} sums @param {number} times */
    const perDrone = (sums, times) =>
      Object.fromEntries(Object.entries(sums).map(([name, us]) => [name, us / times / drones.length]));
    return { cold: perDrone(cold, 1), warm: perDrone(warm, count), cpuUs };
  },
);
