// A measured program: a process of its own, plain JavaScript, so that nothing but Node and what is measured is in it.

const CALLS_PER_RUN = 20_000;

/**
 * Takes a task from the bench, reports what was measured, and ends.
 * @template Task, Report
 * @param {(task: Task) => Promise<Report>} measure
 */
export function serve(measure) {
  process.once('message', async task => {
    const report = await measure(/** @type {Task} */ (task));
    process.send?.(report, () => {
      process.disconnect();
    });
  });
  // The bench is gone, and nothing is left to report to.
  process.once('disconnect', () => process.exit());
}

/** Rounds with enough calls in them, so that the code is as warm whatever the number of drones. @param {number} drones */
export function roundsFor(drones) {
  return Math.max(3, Math.ceil(CALLS_PER_RUN / drones));
}

/**
 * An address of this machine for each drone, so that a server is not many drones at one address, which are all routed to
 * one thread.
 * @param {number} at
 */
export function addressOf(at) {
  return `127.1.${at >> 8}.${at & 255}`;
}

/** @param {number} count */
export function upTo(count) {
  return Array.from({ length: count }, (_, at) => at);
}

/**
 * Wall and CPU time (all threads) of one round, per drone: the mean over `rounds` of them, us.
 * @param {number} drones
 * @param {number} rounds
 * @param {() => Promise<unknown>} round
 */
export async function timeRounds(drones, rounds, round) {
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  for (let done = 0; done < rounds; done++) await round();
  const wallMs = performance.now() - startedAtMs;
  const cpu = process.cpuUsage(cpuBefore);
  const batches = rounds * drones;
  return { wallUs: (wallMs * 1000) / batches, cpuUs: (cpu.user + cpu.system) / batches };
}
