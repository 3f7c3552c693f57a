/**
 * The main thread's hold on one worker thread, which lives in a piscina of its own: so its death is its own, and what
 * piscina tells of it can be told whose it was. A host whose thread died is not used again.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { systemClock } from '../../wait/clock.js';
import { FrameWriter } from '../wire/frames.js';
import { Outbox } from './outbox.js';
import type { Place, StuckThread } from './runner.js';
import { FrameType, type ThreadSettings } from '../wire/messages.js';

/** A thread is pinged while it has work; one that misses this many pings in a row hangs. */
const MISSED_PINGS = 4;

/** Beside twice the grace, for agents that are let go and for those that are killed, how long a thread may take to close. */
const CLOSE_MARGIN_MS = 10_000;

/**
 * A thread that is ended stops at its next step in JavaScript; but one that waits in a system call, or has a file being
 * read in libuv's pool, takes no step before that returns.
 */
const END_MS = 5000;

/**
 * A thread moves bytes and makes little garbage but while connecting. V8's own limit lets that pile up to 48 MB a thread
 * before it is looked at: at 1,000 drones on two threads 168 KB each instead of 124.
 */
const YOUNG_GENERATION_MB = 4;
const NO_THREAD = -1;

export interface ThreadHostOptions {
  readonly threadHeapMb: number | undefined;
  /** A thread that does not answer for so long while it has work is ended; Infinity for never. */
  readonly threadTimeoutMs: number;
}

export interface ThreadHostEvents {
  frames(host: ThreadHost, bytes: Uint8Array): void;
  /** At once, also while the host is being made; `lost` follows. */
  died(cause: unknown): void;
  lost(host: ThreadHost, cause: unknown): void;
}

export class ThreadHost implements Place {
  readonly #pool: Piscina;
  readonly #port: MessagePort;
  readonly #outbox: Outbox;
  readonly #events: ThreadHostEvents;
  readonly #timeoutMs: number;
  /** Resolves when the thread has ended. */
  readonly ended: Promise<void>;
  #jobs = 0;
  #missedPings = 0;
  #watchdog: NodeJS.Timeout | undefined;
  #dead = false;
  #threadId = NO_THREAD;

  constructor(settings: ThreadSettings, options: ThreadHostOptions, events: ThreadHostEvents) {
    const { threadHeapMb, threadTimeoutMs } = options;
    this.#events = events;
    this.#timeoutMs = threadTimeoutMs;
    this.#pool = new Piscina({
      filename: new URL('./entry.js', import.meta.url).href,
      // None at least: when a thread's exit is told only after `destroy`, piscina would start another in its place.
      minThreads: 0,
      maxThreads: 1,
      // Connections stay warm in the thread; its own event loop must run between tasks ('sync' would freeze it).
      idleTimeout: Infinity,
      atomics: 'disabled',
      concurrentTasksPerWorker: 1_000_000,
      maxQueue: Infinity,
      recordTiming: false,
      resourceLimits: {
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MB,
        ...(threadHeapMb === undefined ? {} : { maxOldGenerationSizeMb: threadHeapMb }),
      },
    });
    // What goes wrong in an idle thread; without a listener it would end the process.
    this.#pool.on('error', (error: unknown) => {
      this.#lose(error);
    });
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#port.on('message', (bytes: Uint8Array) => {
      this.#missedPings = 0;
      events.frames(this, bytes);
    });
    this.#port.unref();
    this.#outbox = new Outbox(bytes => {
      this.#port.postMessage(bytes, [bytes.buffer]);
    });
    void this.#task('attach', { port: port2, settings }, [port2]);
    const [thread] = this.#pool.threads;
    this.#threadId = thread?.threadId ?? NO_THREAD;
    this.ended = new Promise(resolve => {
      if (thread)
        thread.once('exit', () => {
          resolve();
        });
      else resolve();
    });
  }

  get dead(): boolean {
    return this.#dead;
  }

  get threadId(): number {
    return this.#threadId;
  }

  send(type: FrameType, batch: number, index: number, payload?: Uint8Array): void {
    if (!this.#dead) this.#outbox.frame(type, batch, index, payload);
  }

  /** Where the next job is written: batches with their calls. */
  readonly job = new FrameWriter();

  /** Gives the thread the job that was written. */
  run(): void {
    const job = this.job.take();
    if (this.#dead) return;
    this.#jobs++;
    this.#watchdog ??= this.#watch();
    void this.#task('run', job, [job.buffer]).then(() => {
      this.#jobs--;
      if (this.#jobs > 0) return;
      clearInterval(this.#watchdog);
      this.#watchdog = undefined;
    });
  }

  /**
   * Lets the thread end its agents and connections, then ends it. Of a dead one it waits for the end. Resolves with a
   * thread that does not end.
   */
  async close(graceMs: number): Promise<StuckThread | undefined> {
    if (!this.#dead) await this.#closeThread(graceMs);
    if (!this.#dead) {
      this.#bury();
      void this.#pool.destroy();
    }
    if (await this.#endsInTime()) return undefined;
    return {
      threadId: this.#threadId,
      message: `the thread has not ended within ${String(END_MS)} ms of being told to`,
    };
  }

  async #closeThread(graceMs: number): Promise<void> {
    // An idle thread may hang, too.
    this.#watchdog ??= this.#watch();
    const limitMs = 2 * graceMs + CLOSE_MARGIN_MS;
    const limit = systemClock.setTimer(limitMs, () => {
      this.#lose(hung(`has not closed within ${String(limitMs)} ms`));
    });
    await this.#task('close', graceMs, []);
    limit.cancel();
    clearInterval(this.#watchdog);
  }

  async #endsInTime(): Promise<boolean> {
    let limit: NodeJS.Timeout | undefined;
    const tooLate = new Promise<boolean>(resolve => {
      limit = setTimeout(resolve, END_MS, false);
    });
    const isEnded = await Promise.race([this.ended.then(() => true), tooLate]);
    clearTimeout(limit);
    return isEnded;
  }

  /** Never rejects: a task fails only with its thread. */
  async #task(name: string, task: unknown, transferList: (ArrayBuffer | MessagePort)[]): Promise<void> {
    try {
      await this.#pool.run(task, { name, transferList });
    } catch (error) {
      this.#lose(error);
    }
  }

  /** A thread in an endless loop cannot be told anything: it is ended from outside. */
  #watch(): NodeJS.Timeout | undefined {
    if (this.#timeoutMs === Infinity) return undefined;
    this.#missedPings = 0;
    return setInterval(() => {
      // Counted, not timed: when this thread itself was held up, the answers wait behind this very timer.
      if (this.#missedPings >= MISSED_PINGS) {
        this.#lose(hung(`has not answered for ${String(this.#timeoutMs)} ms`));
        return;
      }
      this.#missedPings++;
      this.#outbox.frame(FrameType.Ping, 0, 0);
    }, this.#timeoutMs / MISSED_PINGS);
  }

  #lose(cause: unknown): void {
    if (this.#dead) return;
    this.#bury();
    this.#events.died(cause);
    // A thread that could not even start leaves a task in piscina whose promise nobody was given: destroy would reject it.
    if (this.#threadId !== NO_THREAD) void this.#pool.destroy();
    // Whoever is just giving it work must have noted to whom, before it is told that this one is gone.
    queueMicrotask(() => {
      this.#events.lost(this, cause);
    });
  }

  /** Takes no more part in anything; but what the thread had posted before its end is still told. */
  #bury(): void {
    for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port)) {
      this.#events.frames(this, next.message as Uint8Array);
    }
    this.#dead = true;
    clearInterval(this.#watchdog);
    this.#port.close();
  }
}

function hung(how: string): Error {
  return Object.assign(new Error(`the worker thread ${how}`), { code: 'ERR_THREAD_HUNG' });
}
