/**
 * Holds what callers were told of one drone's batch to what is promised: a result or a failure; each call in exactly one
 * list; back in the drone's queue what did not run, and of what may have run the idempotent calls.
 */
import type { Call, DroneError } from 'drone-task-queue';
import type { Calls, SoakCall } from './calls.js';
import { readDroneLedger } from './drone-ledger.js';
import type { Member } from './farm.js';
import { SENDS_PER_ROUND } from './settings.js';
import type { Breach } from './tally.js';
import type { Telling } from './timeline.js';

/** What became of a batch. */
export interface Outcome {
  /** The calls that it was made of, in order. */
  readonly batch: readonly Call[];
  readonly values: readonly unknown[] | undefined;
  readonly failure: DroneError | undefined;
}

export interface Judgement {
  readonly tellings: readonly (readonly [SoakCall, Telling])[];
  readonly breaches: readonly Breach[];
}

type Say = (what: string, id?: string) => void;

export function judge(member: Member, calls: Calls, { batch, values, failure }: Outcome): Judgement {
  const breaches: Breach[] = [];
  const { hostname } = member.drone;
  const say: Say = (what, id) => {
    breaches.push({ what: `${hostname}: ${what}`, id });
  };
  if ((values === undefined) === (failure === undefined)) {
    say(values ? 'both in the results and in the failures' : 'neither in the results nor in the failures');
  }
  if (values && values.length !== batch.length) {
    say(`${String(values.length)} values for ${String(batch.length)} calls`);
  }
  const tellings = batch.map((call, at): readonly [SoakCall, Telling] => {
    const known = calls.of(call);
    return [known, failure ? tell(known, at, failure, say) : valueOf(known)];
  });
  const foreign = [...(failure?.mayHaveRun ?? []), ...(failure?.notStarted ?? [])].filter(
    call => !batch.includes(call),
  );
  for (const call of foreign) say(`told of ${call.toString()}, which was not in the batch`);
  checkQueue(member, calls, batch, failure, say);
  return { tellings, breaches };
}

function valueOf({ recipe }: SoakCall): Telling {
  return { told: 'value', least: recipe.marksLater ? 0 : 1, most: recipe.idempotent ? SENDS_PER_ROUND : 1 };
}

function tell(known: SoakCall, at: number, failure: DroneError, say: Say): Telling {
  const { id, call, recipe } = known;
  const isValue = at < failure.completed.length;
  const mayHaveRun = failure.mayHaveRun.includes(call);
  const notStarted = failure.notStarted.includes(call);
  const isCall = failure.call === call;
  const lists = [isValue && 'completed', mayHaveRun && 'mayHaveRun', notStarted && 'notStarted'].filter(Boolean);
  const isFit = lists.length === 1 ? !(isCall && !mayHaveRun) : lists.length === 0 && isCall;
  const facts = `${failure.kind} in phase ${failure.phase}: ${failure.message}`;
  if (!isFit) say(`${id} is in ${[...lists, ...(isCall ? ['call'] : [])].join(' and ') || 'no list'} of ${facts}`, id);
  if (isValue) return { ...valueOf(known), failure: facts };
  if (notStarted) return { told: 'notStarted', least: 0, most: 0, failure: facts };
  if (isCall && failure.kind === 'call') {
    const { startsWhenThrown: starts } = recipe;
    if (starts === undefined) say(`${id}, which throws nothing, threw: ${facts}`, id);
    return { told: 'call', least: starts ?? 0, most: starts ?? 1, failure: facts };
  }
  const most = recipe.idempotent ? SENDS_PER_ROUND : 1;
  return { told: isCall && !mayHaveRun ? 'call' : 'mayHaveRun', least: 0, most, failure: facts };
}

function checkQueue(
  { drone }: Member,
  calls: Calls,
  batch: readonly Call[],
  failure: DroneError | undefined,
  say: Say,
): void {
  const back = drone.getCalls();
  const { mayHaveRun = [], notStarted = [], call: atFault } = failure ?? {};
  for (const call of batch) {
    const { id, recipe } = calls.of(call);
    const isAgain = recipe.idempotent === true && (mayHaveRun.includes(call) || call === atFault);
    const isBack = back.includes(call);
    if (isBack && !notStarted.includes(call) && !isAgain)
      say(`${id} is back in the queue, and should not run again`, id);
    if (!isBack && notStarted.includes(call)) say(`${id} has not started, and is not back in the queue`, id);
    if (!isBack && isAgain && mayHaveRun.includes(call)) say(`${id} may run again, and is not back in the queue`, id);
  }
  const inOrder = batch.filter(call => back.includes(call));
  if (back.length !== inOrder.length || back.some((call, at) => inOrder[at] !== call)) {
    say(`back in the queue are ${back.map(call => calls.of(call).id).join(', ')}, not each once and in order`);
  }
}

/** Calls told not to have started have left no mark, unless an earlier round was told that they may have run. */
export async function checkNotStarted(member: Member, { tellings }: Judgement): Promise<Breach[]> {
  const never = tellings.filter(([{ mayHaveRun }, { told }]) => told === 'notStarted' && !mayHaveRun);
  if (never.length === 0) return [];
  const marks = await readDroneLedger(member.ledger);
  return never
    .filter(([{ id }]) => marks.has(id))
    .map(([{ id }]) => ({ what: `${member.drone.hostname}: ${id} was told not to have started, and has`, id }));
}
