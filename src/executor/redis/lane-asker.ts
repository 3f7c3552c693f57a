/**
 * Puts jobs into one lane and waits for their answers. BullMQ sends an event when an answer is there; for events lost with a
 * connection it looks at the jobs every few seconds while callers wait. BullMQ removes a job when it ends, so one that Redis
 * has neither as a job nor as an answer is lost.
 */
import { onAbort } from '../../wait/abort.js';
import type { Timer } from '../../wait/clock.js';
import { failureOf, type JobAnswer } from '../job-answer.js';
import { HOST_MS, noExecutor } from '../job-source.js';
import { AnswerStore } from './answer-store.js';
import { isAnswer, type JobData, newJobId, presenceKey } from './job-data.js';
import { givenUp, type Submission, tell, withdrawn, wordsOf } from '../submit-options.js';
import { LaneEvents, UNWANTED } from './lane-events.js';
import { isStalled, type LaneQueue, laneQueue, MAX_EVENTS, STALLED } from './lane-queue.js';
import type { RedisLink } from './redis-link.js';
import { isRefusal } from './refusal.js';
import type { SharedStates } from './shared-states.js';
import { lost, noClaim, refused } from './verdicts.js';

const LOOK_MS = 5000;
/** States of BullMQ in which a job was not taken, or was put back before it ran. */
const BEFORE_TAKEN = new Set(['wait', 'paused', 'prioritized', 'delayed']);

interface Waiting {
  readonly resolve: (answer: JobAnswer) => void;
  readonly sinceMs: number;
  /** The only host whose executor may take the job, if any. */
  readonly host: string | undefined;
  /** Undefined once it was called. */
  onTaken: Submission['onTaken'];
  /** Redis has it. */
  isIn: boolean;
  /** Redis may have it, although it answered with an error. */
  isInDoubt: boolean;
  /** Names of shared states in its arguments. */
  states: readonly string[];
  /** No executor of its host took jobs. */
  isForNoOne?: boolean;
  /** Runs until Redis knows that the job is not wanted. */
  patience?: Timer;
  /** It was taken, and its executor has not renewed its claim: it waits to be failed, not to be run. */
  isStalled?: boolean;
  /** The reason why its submitter has given it up, if it has. */
  unwanted: { readonly reason: unknown } | undefined;
}

/** What a submitter wishes for its job. */
export interface Wish extends Pick<Submission, 'timeoutMs' | 'onTaken'> {
  /** Aborts when the submitter gives the job up. */
  readonly signal: AbortSignal;
}

export class LaneAsker {
  readonly #link: RedisLink;
  readonly #states: SharedStates;
  readonly #answers: AnswerStore;
  readonly #queue: LaneQueue;
  readonly #events: LaneEvents;
  readonly #forget: () => void;
  readonly #onIdle: () => void;
  readonly #waiting = new Map<string, Waiting>();
  /** Resolves when all jobs submitted so far are sent, or were refused: they reach Redis in order. */
  #sent: Promise<void> = Promise.resolve();
  #look: Timer | undefined;

  /** Calls `onIdle` when no submitter waits any more. */
  constructor(link: RedisLink, states: SharedStates, queue: string, onIdle: () => void) {
    this.#link = link;
    this.#states = states;
    this.#answers = new AnswerStore(link, states, queue);
    this.#onIdle = onIdle;
    this.#queue = laneQueue(link, queue);
    this.#events = new LaneEvents(link, queue, events => {
      events.on('completed', ({ jobId, returnvalue }) => this.#completed(jobId, returnvalue));
      events.on('active', ({ jobId }) => void this.#taken(jobId).catch(link.onProblem));
      events.on('stalled', ({ jobId }) => this.#stalled(jobId));
      events.on('removed', ({ jobId, prev }) => this.#removed(jobId, prev));
      events.on('failed', ({ jobId, failedReason }) => this.#settle(jobId, lost(this.#wordsOf(failedReason))));
    });
    this.#forget = link.onLost(() => this.#settleAll(lost('Redis is unreachable')));
  }

  /** Never rejects. */
  async submit(name: string, data: JobData, wish: Wish, host: string | undefined): Promise<JobAnswer> {
    if (this.#link.isLost) return refused('Redis is unreachable');
    if (wish.signal.aborted) return withdrawn(wish.signal.reason);
    // Our own id, so that a job that is sent again after a broken connection stays one job.
    const jobId = newJobId(data.id);
    return new Promise<JobAnswer>(resolve => {
      const sinceMs = this.#link.settings.clock.nowMs();
      const { onTaken } = wish;
      const state = { isIn: false, isInDoubt: false, states: [], unwanted: undefined };
      const waiting: Waiting = { resolve, sinceMs, host, onTaken, ...state };
      this.#waiting.set(jobId, waiting);
      this.#lookLater();
      const added = this.#add(name, data, jobId, waiting, wish).then(
        () => void (waiting.isIn = true),
        async (error: unknown) => this.#notAdded(jobId, waiting, error),
      );
      onAbort(wish.signal, reason => void this.#giveUp(jobId, waiting, reason, added));
    });
  }

  /** All submitters that wait get this answer. */
  async close(answer: JobAnswer): Promise<void> {
    this.#forget();
    this.#settleAll(answer);
    this.#look?.cancel();
    await Promise.all([this.#queue.close(), this.#events.close()]);
  }

  async #add(name: string, data: JobData, jobId: string, waiting: Waiting, wish: Wish): Promise<void> {
    const before = this.#sent;
    const turn = new Turn();
    this.#sent = turn.over;
    const add = async (): Promise<void> => {
      await this.#events.listening();
      const queue = await this.#queue.ready();
      const { packed: args, names } = await this.#states.pack(data.args);
      waiting.states = names;
      const until = wish.timeoutMs === undefined ? {} : { untilMs: (await this.#link.timeMs()) + wish.timeoutMs };
      await before;
      if (waiting.unwanted !== undefined) this.#settle(jobId, withdrawn(waiting.unwanted.reason));
      // It was answered meanwhile.
      if (!this.#waiting.has(jobId)) return;
      const { closes } = this.#link;
      try {
        const adding = queue.add(name, { ...data, args, isAnsweredApart: true, ...until }, { jobId });
        turn.end();
        await adding;
      } catch (error) {
        waiting.isInDoubt ||= !isRefusal(error) || closes !== this.#link.closes;
        throw error;
      }
    };
    try {
      const bytes = JSON.stringify(data).length;
      await this.#link.patiently(async () => this.#link.room.use(bytes, add).finally(() => turn.end()));
    } finally {
      turn.end();
    }
  }

  /** Never rejects. */
  async #notAdded(jobId: string, waiting: Waiting, error: unknown): Promise<void> {
    const why = failureOf(error).message;
    try {
      if (waiting.isInDoubt && (await (await this.#queue.ready()).getJob(jobId)) !== undefined) waiting.isIn = true;
      else this.#settle(jobId, refused(why));
    } catch (again) {
      this.#link.onProblem(again);
      this.#settle(jobId, lost(`it could not be handed over: ${why}`));
    }
  }

  #lookLater(): void {
    if (this.#look !== undefined || this.#waiting.size === 0) return;
    this.#look = this.#link.settings.clock.setTimer(LOOK_MS, () => {
      void this.#lookAtAll().finally(() => {
        this.#look = undefined;
        this.#lookLater();
      });
    });
  }

  async #lookAtAll(): Promise<void> {
    const all = [...this.#waiting].filter(([, { isIn }]) => isIn);
    const states = new Set(all.flatMap(([, waiting]) => waiting.states));
    await Promise.all([
      this.#states.renew(states).catch(this.#link.onProblem),
      ...all.map(async ([jobId, waiting]) => this.#lookAt(jobId, waiting).catch(this.#link.onProblem)),
    ]);
  }

  async #lookAt(jobId: string, { unwanted, host, sinceMs }: Waiting): Promise<void> {
    const queue = await this.#queue.ready();
    const { client, settings } = this.#link;
    if ((await client.exists(queue.toKey(jobId))) === 0) await this.#fetch(jobId);
    else if (unwanted !== undefined) await this.#withdraw(jobId, unwanted.reason);
    else if (host !== undefined && settings.clock.nowMs() - sinceMs >= HOST_MS) await this.#lookForHost(jobId, host);
    await this.#taken(jobId);
  }

  /** Withdraws a job for a host where no executor is. */
  async #lookForHost(jobId: string, host: string): Promise<void> {
    const { client, settings } = this.#link;
    if ((await client.exists(presenceKey(settings.prefix, host))) === 1) return;
    const waiting = this.#waiting.get(jobId);
    if (waiting !== undefined) waiting.isForNoOne = true;
    const queue = await this.#queue.ready();
    if (await isStalled(client, queue, jobId)) this.#stalled(jobId);
    await queue.remove(jobId);
  }

  /** Calls `onTaken` once the job is taken. */
  async #taken(jobId: string): Promise<void> {
    const waiting = this.#waiting.get(jobId);
    if (waiting?.onTaken === undefined) return;
    const queue = await this.#queue.ready();
    const host = await this.#link.client.hget(queue.toKey(jobId), 'pb');
    if (host !== null) callOnTaken(waiting, decodeURIComponent(host));
  }

  /** Never rejects. The next look repeats what fails. */
  async #giveUp(jobId: string, waiting: Waiting, reason: unknown, added: Promise<void>): Promise<void> {
    waiting.unwanted = { reason };
    // Redis may be away; a job that comes to it later is withdrawn then.
    waiting.patience = this.#link.settings.clock.setTimer(LOOK_MS, () => {
      this.#settle(jobId, lost('it should have been withdrawn, but Redis does not answer'));
    });
    try {
      await added;
      if (waiting.isIn) await this.#withdraw(jobId, reason);
      waiting.patience.cancel();
    } catch (error) {
      this.#link.onProblem(error);
    }
  }

  /** Removes a waiting job, or has its executor stop a running one. */
  async #withdraw(jobId: string, reason: unknown): Promise<void> {
    const queue = await this.#queue.ready();
    // 1 also for a job that has ended, or whose executor has died: the event 'removed' is what tells.
    const isRemoved = await this.#link.patiently(async () => {
      if (await isStalled(this.#link.client, queue, jobId)) this.#stalled(jobId);
      return (await queue.remove(jobId)) === 1;
    });
    if (!isRemoved) await this.#stop(jobId, reason);
  }

  async #stop(jobId: string, reason: unknown): Promise<void> {
    const key = (await this.#queue.ready()).toKey('events');
    const fields = ['event', UNWANTED, 'jobId', jobId, 'reason', givenUp(reason).message];
    await this.#link.client.xadd(key, 'MAXLEN', '~', MAX_EVENTS, '*', ...fields);
  }

  #stalled(jobId: string): void {
    const waiting = this.#waiting.get(jobId);
    if (waiting !== undefined) waiting.isStalled = true;
  }

  /** The job was removed while it waited, or while its executor, which may go on, had not renewed its claim. */
  #removed(jobId: string, from: string): void {
    const waiting = this.#waiting.get(jobId);
    if (waiting === undefined) return;
    const { unwanted, isForNoOne = false, host = '' } = waiting;
    const reason = unwanted?.reason ?? 'by its id';
    if (waiting.isStalled !== true && BEFORE_TAKEN.has(from)) {
      this.#settle(jobId, isForNoOne ? noExecutor(host) : withdrawn(reason));
      return;
    }
    // First, as the lane may be closed with its last answer.
    this.#stop(jobId, reason).catch(this.#link.onProblem);
    const why = noClaim(this.#link.settings.lockMs);
    this.#settle(jobId, lost(unwanted === undefined ? why : `${why}, and ${wordsOf(reason)}`));
  }

  #wordsOf(failedReason: string): string {
    return failedReason === STALLED ? noClaim(this.#link.settings.lockMs) : failedReason;
  }

  #completed(jobId: string, value: unknown): void {
    if (!this.#waiting.has(jobId)) return;
    // Of an executor that does not know yet that answers are kept apart.
    if (isAnswer(value)) this.#settle(jobId, value);
    // After an error of Redis the next look fetches it.
    else this.#fetch(jobId).catch(this.#link.onProblem);
  }

  /** Fetches the answer of a job that has ended. */
  async #fetch(jobId: string): Promise<void> {
    const kept = await this.#link.patiently(async () => this.#answers.get(jobId));
    const waiting = this.#waiting.get(jobId);
    if (kept !== undefined && waiting !== undefined) callOnTaken(waiting, kept.host);
    this.#settle(jobId, kept?.answer ?? lost('its executor has died, or Redis has forgotten it'));
    await this.#answers.remove(jobId);
  }

  #settleAll(answer: JobAnswer): void {
    for (const jobId of [...this.#waiting.keys()]) this.#settle(jobId, answer);
  }

  #settle(jobId: string, answer: JobAnswer): void {
    const waiting = this.#waiting.get(jobId);
    if (waiting === undefined) return;
    this.#waiting.delete(jobId);
    waiting.patience?.cancel();
    waiting.resolve(answer);
    if (this.#waiting.size === 0) {
      this.#look?.cancel();
      this.#look = undefined;
      this.#onIdle();
    }
  }
}

function callOnTaken(waiting: Waiting, host: string): void {
  tell(waiting.onTaken, host);
  waiting.onTaken = undefined;
}

class Turn {
  readonly over: Promise<void>;
  end: () => void = () => undefined;

  constructor() {
    this.over = new Promise(resolve => (this.end = resolve));
  }
}
