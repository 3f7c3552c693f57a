/** What a scheduler does while its drones run: the next jobs, each to the drone with the least load. */
import { setTimeout as delay } from 'node:timers/promises';
import { type AnyDrone, compareLoad } from 'drone-task-queue';

const JOBS_PER_SLICE = 100;
const BREATH_MS = 1;

/** Plans in slices, with a breath in between, until the round is over. Resolves with how many jobs. */
export async function planJobs(drones: readonly AnyDrone[], isOver: () => boolean): Promise<number> {
  const byLoad = [...drones];
  for (const drone of drones) drone.maxProcesses = JOBS_PER_SLICE;
  let jobs = 0;
  while (!isOver()) {
    for (const drone of drones) drone.activeProcesses = 0;
    for (let job = 0; job < JOBS_PER_SLICE; job++) {
      const [least] = byLoad.sort(compareLoad);
      if (least) least.activeProcesses++;
    }
    jobs += JOBS_PER_SLICE;
    await delay(BREATH_MS);
  }
  return jobs;
}
