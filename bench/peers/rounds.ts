/** The rounds that tools compete in: cold ones, by a process that ends; warm ones, over what is kept. */
import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Sshd } from '../../test/support/sshd.js';
import { type Contender, inTurns, type Measured } from './in-turns.js';
import { Masters } from './masters.js';
import { peakMemoryKb, spend } from './one-shot.js';
import type { Place } from './place.js';
import { descendantsOf, machineCpuMs, processesOf } from './process-tree.js';
import { Resident } from './resident.js';
import type { Tool, Workload } from './tools.js';

export const COLD = 'connect, run true, end';
export const overMasters = (tool: string): string => `ControlMaster, ${tool}`;
/** A round of what is fast is repeated, for a clock and a CPU account that tick too coarsely. */
const ROUNDS_PER_RUN: Record<Workload, number> = { 'no-op': 10, 'run true': 3 };
const WARM_UP_ROUNDS: Record<Workload, number> = { 'no-op': 30, 'run true': 5 };
const SESSIONS_END_MS = 10_000;
const POLL_MS = 50;

export function coldRounds(tools: readonly Tool[], sshd: Sshd, place: Place, runs: number): Promise<Measured[]> {
  const contenders = tools.flatMap(({ name, cold }): Contender[] => {
    if (cold === undefined) return [];
    const command = cold(place);
    return [
      {
        tool: name,
        workload: COLD,
        warmUp: async () => {
          const sessions = new Sessions(sshd);
          const memoryKb = await peakMemoryKb(command);
          await sessions.end();
          return memoryKb;
        },
        measure: async () => {
          const sessions = new Sessions(sshd);
          const beforeMs = machineCpuMs();
          const spent = await spend(command);
          // The next one must not pay for what is left of this one.
          await sessions.end();
          // sshd does not wait for all that it starts, and so cannot tell what it took.
          return { ...spent, othersCpuMs: machineCpuMs() - beforeMs - spent.cpuMs };
        },
      },
    ];
  });
  return inTurns(contenders, runs);
}

export async function warmRounds(tools: readonly Tool[], place: Place, runs: number): Promise<Measured[]> {
  await using masters = tools.some(({ warm }) => warm) ? await startMasters(place) : undefined;
  const contenders = tools.flatMap(({ name, warm }): Contender[] => {
    if (warm === undefined || masters === undefined) return [];
    const command = warm(place);
    return [
      {
        tool: overMasters(name),
        workload: 'run true',
        warmUp: async () => (await peakMemoryKb(command)) + masters.memoryKb(),
        measure: async () => {
          const beforeMs = masters.cpuMs();
          const spent = await spend(command);
          return { ...spent, othersCpuMs: masters.cpuMs() - beforeMs };
        },
      },
    ];
  });
  const residents: Resident[] = [];
  try {
    for (const { name, resident, workloads = [] } of tools) {
      if (resident === undefined) continue;
      try {
        const client = await Resident.start(resident(place));
        residents.push(client);
        contenders.push(...workloads.map(workload => warmContender(name, client, workload)));
      } catch (error) {
        console.error(`left out: ${name}, warm: ${(error as Error).message}`);
      }
    }
    return await inTurns(contenders, runs);
  } finally {
    await Promise.all(residents.map(resident => resident.end()));
  }
}

async function startMasters(place: Place): Promise<Masters | undefined> {
  try {
    return await Masters.start(place);
  } catch (error) {
    console.error(`left out: all over ControlMasters: ${(error as Error).message}`);
    return undefined;
  }
}

function warmContender(tool: string, client: Resident, workload: Workload): Contender {
  return {
    tool,
    workload,
    warmUp: async () => {
      await client.spend(workload, WARM_UP_ROUNDS[workload]);
      return client.memoryKb();
    },
    measure: () => client.spend(workload, ROUNDS_PER_RUN[workload]),
  };
}

/** What runs on the drones from here on. */
class Sessions {
  readonly #sshd: Sshd;
  readonly #uid: number;
  readonly #before: ReadonlySet<number>;

  constructor(sshd: Sshd) {
    this.#sshd = sshd;
    this.#uid = Number(execFileSync('id', ['-u', sshd.user], { encoding: 'utf8' }));
    this.#before = processesOf(this.#uid);
  }

  /** Resolves when it has ended; or when it should have, as strangers may run under the same name. */
  async end(): Promise<void> {
    const deadline = performance.now() + SESSIONS_END_MS;
    while (this.#isOpen() && performance.now() < deadline) await delay(POLL_MS);
  }

  #isOpen(): boolean {
    if (this.#sshd.pids.some(pid => descendantsOf(pid).length > 0)) return true;
    const here = descendantsOf(process.pid);
    return [...processesOf(this.#uid)].some(pid => !this.#before.has(pid) && !here.includes(pid));
  }
}
