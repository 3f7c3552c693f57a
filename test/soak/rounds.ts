/** One round after another over all drones, each judged as it ends. */
import { setTimeout as wait } from 'node:timers/promises';
import { type AnyDrone, type Call, DroneError, type DroneWorker, type ThreadedTaskQueue } from 'drone-task-queue';
import type { Calls } from './calls.js';
import type { Dice } from './dice.js';
import { marked } from './drone-ledger.js';
import type { Farm, Member } from './farm.js';
import { checkNotStarted, judge, type Judgement } from './judge.js';
import { isRunning } from '../support/processes-left.js';
import { isMarked } from './processes.js';
import { HANGS_AFTER_MS } from './settings.js';
import type { Tally } from './tally.js';
import type { Timeline } from './timeline.js';

const MOST_QUEUED = 6;
const MOST_NEW = 4;
const MOST_BESIDE = 5;
const SIGNALLED_SHARE = 0.2;
const KILLING_SHARE = 0.3;

export interface RoundsParts {
  readonly farm: Farm;
  readonly queue: ThreadedTaskQueue;
  readonly calls: Calls;
  readonly dice: Dice;
  readonly timeline: Timeline;
  readonly tally: Tally;
}

interface Order {
  readonly batch: readonly Call[];
  readonly kills: readonly number[];
}

export class Rounds {
  readonly #parts: RoundsParts;
  #rounds = 0;

  constructor(parts: RoundsParts) {
    this.#parts = parts;
  }

  /** A round of all kinds of calls. */
  async mixed(): Promise<void> {
    const { farm, calls, dice } = this.#parts;
    for (const member of farm.members) {
      const room = MOST_QUEUED - member.drone.getCalls().length;
      for (let more = Math.min(room, dice.between(1, MOST_NEW)); more > 0; more--) calls.queueOn(member);
    }
    const signal = dice.chance(SIGNALLED_SHARE) ? AbortSignal.timeout(dice.between(100, 4000)) : undefined;
    const beside = Array.from({ length: MOST_BESIDE }, () => this.#callBeside());
    await this.#run(signal);
    await Promise.all(beside);
  }

  /** A round of calls that should all succeed. Returns how many drones have failed. */
  async plain(): Promise<number> {
    for (const member of this.#parts.farm.members) this.#parts.calls.queuePlainOn(member);
    return this.#run(undefined);
  }

  /** Runs what is queued. Returns how many drones have failed. */
  async #run(signal: AbortSignal | undefined): Promise<number> {
    const { farm, queue, timeline, tally } = this.#parts;
    const round = ++this.#rounds;
    const orders = new Map(farm.members.map(member => [member, this.#orderOf(member)]));
    timeline.note({ round, what: signal ? 'round starts, to be cancelled by its signal' : 'round starts' });
    const drones = farm.members.map(({ drone }) => drone);
    const { results, failures } = await this.#inTime(queue.settle(drones, { signal }));
    timeline.note({ round, what: 'round ends' });
    tally.count('rounds', signal?.aborted === true ? 'cancelled' : 'run to their end');
    for (const [member, { batch, kills }] of orders) {
      const values = results.get(member.drone);
      const failure = failures.get(member.drone);
      if (batch.length === 0 && kills.length === 0) {
        if (values ?? failure) tally.breaches.push({ what: `${member.drone.hostname}: had no work, and an outcome` });
        continue;
      }
      tally.count('batches', failure?.kind ?? 'well');
      const judgement = judge(member, this.#parts.calls, { batch, values: values && [...values], failure });
      const untrue = await checkNotStarted(member, judgement);
      for (const { what, id } of [...judgement.breaches, ...untrue]) {
        tally.breaches.push({ what: `round ${String(round)}, ${what}`, id });
      }
      this.#book(member, round, judgement, [...(values ?? failure?.completed ?? [])]);
      if (values) this.#checkKills(member, kills);
    }
    for (const drone of [...results.keys(), ...failures.keys()]) this.#checkKnown(drone);
    return failures.size;
  }

  #orderOf(member: Member): Order {
    const { drone, detached } = member;
    // Of one that has ended by itself the pid may be another's by now.
    for (const pid of detached) if (!this.#runs(pid)) detached.delete(pid);
    const kills = this.#parts.dice.chance(KILLING_SHARE) ? [...detached] : [];
    for (const pid of kills) drone.queueKillProcess({ hostname: drone.hostname, pid });
    return { batch: drone.getCalls(), kills };
  }

  #book(member: Member, round: number, { tellings }: Judgement, values: readonly unknown[]): void {
    const { timeline, tally, calls } = this.#parts;
    const back = member.drone.getCalls();
    for (const [at, [known, telling]] of tellings.entries()) {
      timeline.note({ drone: member.drone.hostname, id: known.id, round, what: 'told', telling });
      tally.count('told', telling.told);
      if (telling.told === 'mayHaveRun' || telling.told === 'call') known.mayHaveRun = true;
      if (telling.told === 'value' && known.recipe.what === 'detached') {
        member.detached.add((values[at] as { pid: number }).pid);
      }
      if (!back.includes(known.call)) calls.forget(known.call);
    }
  }

  /** Killed before the batch: what still runs was told to be gone. */
  #checkKills({ drone, detached }: Member, pids: readonly number[]): void {
    for (const pid of pids) {
      detached.delete(pid);
      this.#parts.tally.count('kills', 'done');
      if (this.#runs(pid)) {
        this.#parts.tally.breaches.push({
          what: `${drone.hostname}: process ${String(pid)} was to be killed, and runs`,
        });
      }
    }
  }

  #runs(pid: number): boolean {
    return isMarked(pid, this.#parts.farm.marker) && isRunning(pid);
  }

  #checkKnown(drone: AnyDrone): void {
    if (!this.#parts.farm.members.some(member => member.drone === drone)) {
      this.#parts.tally.breaches.push({ what: `${drone.hostname}: has an outcome, and was not asked` });
    }
  }

  /** A call of its own beside the round. */
  async #callBeside(): Promise<void> {
    const { farm, queue, dice, timeline, tally } = this.#parts;
    const member = dice.pick(farm.members);
    if (!member) return;
    const drone = member.drone.hostname;
    const id = `${drone}.beside-${String(this.#rounds)}-${dice.next().toString(36).slice(2, 8)}`;
    timeline.note({ drone, id, what: 'called beside the round' });
    const tell = (told: 'value' | 'call' | 'mayHaveRun' | 'notStarted', least: number, failure?: string): void => {
      const most = told === 'notStarted' ? 0 : 1;
      timeline.note({ drone, id, what: 'told', telling: { told, least, most, failure } });
      tally.count('told beside', told);
    };
    try {
      await this.#inTime(queue.call(member.drone, 'run', marked(member.ledger, id)));
      tell('value', 1);
    } catch (error) {
      if (!(error instanceof DroneError)) throw error;
      const told = error.notStarted.length > 0 ? 'notStarted' : error.mayHaveRun.length > 0 ? 'mayHaveRun' : 'call';
      tell(told, 0, `${error.kind} in phase ${error.phase}: ${error.message}`);
    }
  }

  /** What hangs would hang the soak: it says who is waited for, and ends. */
  async #inTime<T>(outcome: Promise<T>): Promise<T> {
    const over = new AbortController();
    const hangs = async (): Promise<never> => {
      await wait(HANGS_AFTER_MS, undefined, { signal: over.signal });
      const waitedFor = this.#parts.queue.inFlight().map(describe).join('\n  ');
      throw new Error(`nothing came of it within ${String(HANGS_AFTER_MS)} ms; waited for:\n  ${waitedFor}`);
    };
    try {
      return await Promise.race([outcome, hangs()]);
    } finally {
      over.abort();
    }
  }
}

function describe({ drone, phase, call, inPhaseMs }: DroneWorker): string {
  return `${drone.hostname}: ${phase}, ${call?.toString() ?? 'no call'}, for ${inPhaseMs.toFixed(0)} ms`;
}
