/** Contenders measured in turns (A B C A B C …), so that whatever else the machine does meets all of them. */
import type { Spent } from './one-shot.js';

export interface Sample extends Spent {
  /** CPU of others that worked for this round: the drones, or ControlMasters; ms. */
  readonly othersCpuMs?: number;
}

export interface Contender {
  readonly tool: string;
  readonly workload: string;
  /** Before the runs that count. Gives the client's memory, KiB, when that is the moment to look at it. */
  warmUp(): Promise<number | undefined>;
  measure(): Promise<Sample>;
}

export interface Measured {
  readonly tool: string;
  readonly workload: string;
  readonly memoryKb: number | undefined;
  readonly samples: readonly Sample[];
}

/** One that fails is left out, and that is said: the others' figures are worth the wait. */
export async function inTurns(contenders: readonly Contender[], runs: number): Promise<Measured[]> {
  let left = contenders.map(contender => ({
    contender,
    memoryKb: undefined as number | undefined,
    samples: [] as Sample[],
  }));
  for (let run = -1; run < runs; run++) {
    for (const entry of left) {
      const { tool, workload } = entry.contender;
      try {
        if (run < 0) entry.memoryKb = await entry.contender.warmUp();
        else entry.samples.push(await entry.contender.measure());
      } catch (error) {
        console.error(`left out: ${tool}, ${workload}: ${(error as Error).message}`);
        left = left.filter(other => other !== entry);
      }
    }
  }
  return left.map(({ contender: { tool, workload }, memoryKb, samples }) => ({ tool, workload, memoryKb, samples }));
}
