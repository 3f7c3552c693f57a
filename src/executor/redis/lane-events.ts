/** Events of a lane in BullMQ, from the moment that `listening` resolves. */
import type { QueueEvents } from 'bullmq';
import { PendingWork } from '../../wait/pending-work.js';
import type { Timer } from '../../wait/clock.js';
import type { RedisLink } from './redis-link.js';

/** For one blocking read. A broken connection keeps the process alive for that long. */
const QUESTION_MS = 1000;
/** Pause before reopening events that have ended by themselves. */
const REOPEN_MS = 1000;

/** An event of our own: the submitter of a job that was taken has given it up. */
export const UNWANTED = 'unwanted';

export class LaneEvents {
  readonly #link: RedisLink;
  readonly #queue: string;
  readonly #listen: (events: QueueEvents) => void;
  readonly #ending = new PendingWork();
  #listening: Promise<void> | undefined;
  #events: QueueEvents | undefined;
  #reopening: Timer | undefined;
  #isClosed = false;

  constructor(link: RedisLink, queue: string, listen: (events: QueueEvents) => void) {
    this.#link = link;
    this.#queue = queue;
    this.#listen = listen;
    this.listening().catch(link.onProblem);
  }

  /** Rejects with an error of Redis; the next call tries again. */
  async listening(): Promise<void> {
    const opening = (this.#listening ??= this.#open());
    try {
      await opening;
    } catch (error) {
      if (this.#listening === opening) this.#listening = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#reopening?.cancel();
    await this.#events?.close();
    await this.#ending.over();
  }

  /** With an explicit start: BullMQ's default would skip what comes before its first read reaches Redis. */
  async #open(): Promise<void> {
    const { bullmq, client: connection, settings, onProblem } = this.#link;
    const { prefix } = settings;
    const [last] = await connection.xrevrange(`${prefix}:${this.#queue}:events`, '+', '-', 'COUNT', 1);
    if (this.#isClosed) return;
    const events = new bullmq.QueueEvents(this.#queue, {
      connection,
      prefix,
      lastEventId: last?.[0] ?? '0-0',
      blockingTimeout: QUESTION_MS,
      autorun: false,
    });
    events.on('error', onProblem);
    this.#listen(events);
    this.#events = events;
    void this.#ending.add(events.run().then(undefined, (error: unknown) => this.#replace(events, error)));
  }

  /** Events whose first commands fail end permanently. */
  async #replace(events: QueueEvents, error: unknown): Promise<void> {
    if (this.#isClosed) return;
    this.#link.onProblem(error);
    this.#events = undefined;
    this.#listening = undefined;
    this.#reopening = this.#link.settings.clock.setTimer(REOPEN_MS, () => {
      this.listening().catch(this.#link.onProblem);
    });
    await events.close().catch(this.#link.onProblem);
  }
}
