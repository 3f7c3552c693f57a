// What the Node drivers have in common: the talk that resident.ts describes.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** @typedef {() => Promise<unknown>} Round */
/** @typedef {{ rounds: Partial<Record<import('../tools.js').Workload, Round>>, close: Round }} Client */

/**
 * Keeps a client open and does rounds when told to; or, told `once`, one round of `true`.
 * @param {(drones: readonly import('drone-task-queue').SshDroneOptions[], once: boolean) => Promise<Client>} open
 */
export async function drive(open) {
  const [taskFile = '', mode] = process.argv.slice(2);
  /** @type {import('../place.js').DriverTask} */
  const { drones } = JSON.parse(await readFile(taskFile, 'utf8'));
  const once = mode === 'once';
  const { rounds, close } = await open(drones, once);
  if (once) await rounds['run true']?.();
  else {
    console.log('{}');
    for await (const line of createInterface({ input: process.stdin })) {
      /** @type {{ workload: import('../tools.js').Workload, rounds: number }} */
      const order = JSON.parse(line);
      const round = rounds[order.workload];
      const cpuBefore = process.cpuUsage();
      const startedAtMs = performance.now();
      for (let done = 0; done < order.rounds; done++) await round?.();
      const wallMs = performance.now() - startedAtMs;
      const { user, system } = process.cpuUsage(cpuBefore);
      console.log(JSON.stringify({ wallMs, cpuMs: (user + system) / 1000 }));
    }
  }
  await close();
}
