/**
 * `npm run soak -- [minutes] [seed]`: random faults at random times against a hundred drones while rounds go on. At the end
 * the ledgers that the drones keep themselves are compared with what the callers were told, and nothing may be left over.
 * Exits with 1 when anything was other than promised, with 2 for bad arguments.
 */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ThreadedTaskQueue } from 'drone-task-queue';
import { readArguments, type SoakArguments, UsageError } from './arguments.js';
import { Calls } from './calls.js';
import { compare, tellStories } from './compare.js';
import { Dice } from './dice.js';
import { DRONES, type Farm, makeFarm } from './farm.js';
import { makeFaults } from './faults.js';
import { leftHere, leftOnDrones, memoryMb, ownThings } from './left-over.js';
import { Rounds } from './rounds.js';
import { QUEUE } from './settings.js';
import { Storm } from './storm.js';
import { printReport } from './report.js';
import { Tally } from './tally.js';
import { Timeline } from './timeline.js';

const MS_PER_MINUTE = 60_000;
/** What memory was at most until then is what a farm in a storm takes: a third of the time, and a minute at least. */
const WARM_SHARE = 1 / 3;
/** Memory may have grown by so much, MB: the threads' own garbage, which is not collected on demand, comes and goes by 40. */
const MEMORY_MARGIN_MB = 64;
/** After a storm, until all that it broke has been found out, and threads and drones that were given up are taken again. */
const CLEARING_MS = 90_000;
const CLEARING_PAUSE_MS = 500;

try {
  await soak(readArguments(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`soak: ${error.message}`);
  process.exitCode = 2;
}

async function soak({ minutes, seed }: SoakArguments): Promise<void> {
  console.log(`soak: ${String(DRONES)} drones for ${String(minutes)} minutes, seed ${String(seed)}`);
  const startMs = performance.now();
  const tally = new Tally();
  const before = ownThings();
  const { memory, stories, leftOver } = await onFarm(new Dice(seed), minutes * MS_PER_MINUTE, tally);
  leftOver.push(...(await leftHere(before)));
  const grownMb = memory.atEndMb - memory.warmMb;
  if (grownMb > MEMORY_MARGIN_MB) leftOver.push(`${grownMb.toFixed(0)} MB of memory`);
  printReport({ minutes, seed, tally, ...memory, stories, leftOver, tookMs: performance.now() - startMs });
  if (tally.breaches.length > 0 || leftOver.length > 0) process.exitCode = 1;
}

interface OnFarm {
  readonly memory: { readonly warmMb: number; readonly atEndMb: number };
  readonly stories: readonly string[];
  readonly leftOver: string[];
}

/** From the first drone to the last; what is then left over on the drones. */
async function onFarm(dice: Dice, stormMs: number, tally: Tally): Promise<OnFarm> {
  await using farm = await makeFarm();
  using timeline = new Timeline(join(farm.folder, 'timeline'));
  const calls = new Calls(dice.apart(), timeline);
  await using queue = new ThreadedTaskQueue(QUEUE);
  const rounds = new Rounds({ farm, queue, calls, dice: dice.apart(), timeline, tally });
  await rounds.plain();
  const warmMb = await inStorm({ farm, queue, rounds, dice, timeline, tally }, stormMs);

  const clearByMs = performance.now() + CLEARING_MS;
  while ((await rounds.plain()) > 0 && performance.now() < clearByMs) await wait(CLEARING_PAUSE_MS);
  const failed = await rounds.plain();
  if (failed > 0) tally.breaches.push({ what: `${String(failed)} drones failed in the last round, without a fault` });
  if (calls.open > 0) tally.breaches.push({ what: `${String(calls.open)} calls have no end of their story` });
  const atEndMb = memoryMb();
  await queue.close();
  // The half-open ones among them, which a server would hold forever.
  for (const { proxy } of farm.proxies) proxy.cut();
  const leftOver = await leftOnDrones(farm);
  await compare(farm, timeline, tally);
  return { memory: { warmMb, atEndMb }, stories: await tellStories(timeline, tally), leftOver };
}

interface Stage {
  readonly farm: Farm;
  readonly queue: ThreadedTaskQueue;
  readonly rounds: Rounds;
  readonly dice: Dice;
  readonly timeline: Timeline;
  readonly tally: Tally;
}

/** Rounds with faults. Returns the most memory that was taken while the farm got warm, MB. */
async function inStorm({ farm, queue, rounds, dice, timeline, tally }: Stage, stormMs: number) {
  let warmMb = 0;
  const warmAfterMs = Math.max(MS_PER_MINUTE, stormMs * WARM_SHARE);
  const startMs = performance.now();
  await using faults = makeFaults(farm, queue);
  await using storm = new Storm(faults.list, dice.apart(), timeline, tally);
  while (performance.now() - startMs < stormMs) {
    await rounds.mixed();
    const nowMb = memoryMb();
    if (warmMb === 0 || performance.now() - startMs <= warmAfterMs) warmMb = Math.max(warmMb, nowMb);
    console.log(`${clock(startMs)} ${nowMb.toFixed(0).padStart(4)} MB, ${tally.line('batches')}`);
  }
  await storm.calm();
  return warmMb;
}

function clock(startMs: number): string {
  const s = Math.round((performance.now() - startMs) / 1000);
  return `${String(Math.floor(s / 60)).padStart(3)}:${String(s % 60).padStart(2, '0')}`;
}
