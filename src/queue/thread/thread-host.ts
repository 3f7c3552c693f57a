/**
 * Controls one worker thread from the main thread. Each runs in its own Piscina, so that a crash can be attributed to it.
 * A host whose thread died is not used again.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { ENTRY_URL } from './entry-url.js';
import { Piscina } from 'piscina';
import { settlesWithin } from '../../wait/clock.js';
import { Deadline } from '../../wait/deadline.js';
import { FrameWriter } from '../wire/frames.js';
import { Outbox } from './outbox.js';
import type { Place, StuckThread } from './runner.js';
import { FrameType, type ThreadSettings } from '../wire/messages.js';

/** A thread with work is pinged; one that misses this many pings in a row hangs. */
const MISSED_PINGS = 4;

/** Time to close a thread, beside one grace for agents that end themselves and one for those that are killed. */
const CLOSE_MARGIN_MS = 10_000;

/** A thread ends at its next step in JavaScript, which a system call or a read in libuv's pool can delay. */
const END_MS = 5000;

/**
 * A thread makes little garbage except while connecting. V8's default lets that grow to 48 MB a thread: at 1,000 drones on
 * two threads 168 KB per drone instead of 124.
 */
const YOUNG_GENERATION_MB = 4;
const NO_THREAD = -1;

export interface ThreadHostOptions {
  readonly threadHeapMb: number | undefined;
  /** How long a thread with work may fail to answer before it is ended; Infinity for no limit. */
  readonly threadTimeoutMs: number;
}

export interface ThreadHostEvents {
  frames(host: ThreadHost, bytes: Uint8Array): void;
  /** At once, even in the host's constructor; `lost` follows. */
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
      filename: ENTRY_URL.href,
      // With a minimum, piscina would replace a thread whose exit it learns of after `destroy`.
      minThreads: 0,
      maxThreads: 1,
      // Connections stay warm in the thread, so its event loop must run between tasks ('sync' would freeze it).
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
    // Errors of an idle thread; without a listener they would end the process.
    this.#pool.on('error', (error: unknown) => this.#lose(error));
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#port.on('message', (bytes: Uint8Array) => {
      this.#missedPings = 0;
      events.frames(this, bytes);
    });
    this.#port.unref();
    this.#outbox = new Outbox(bytes => this.#port.postMessage(bytes, [bytes.buffer]));
    void this.#task('attach', { port: port2, settings }, [port2]);
    const [thread] = this.#pool.threads;
    this.#threadId = thread?.threadId ?? NO_THREAD;
    this.ended = new Promise(resolve => {
      if (thread) thread.once('exit', () => resolve());
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

  /** The next job: batches with their calls. */
  readonly job = new FrameWriter();

  /** Sends the job to the thread. */
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

  /** Lets a living thread end its agents and connections, then ends it. Resolves with a thread that does not end. */
  async close(graceMs: number): Promise<StuckThread | undefined> {
    if (!this.#dead) await this.#closeThread(graceMs);
    if (!this.#dead) {
      this.#bury();
      void this.#pool.destroy();
    }
    if (await settlesWithin(END_MS, this.ended)) return undefined;
    return {
      threadId: this.#threadId,
      message: `the thread has not ended within ${String(END_MS)} ms of being asked to`,
    };
  }

  async #closeThread(graceMs: number): Promise<void> {
    // An idle thread may hang, too.
    this.#watchdog ??= this.#watch();
    const limitMs = 2 * graceMs + CLOSE_MARGIN_MS;
    const limit = new Deadline([], { limitMs });
    void limit.ended.then(() => this.#lose(hung(`has not closed within ${String(limitMs)} ms`)));
    await this.#task('close', graceMs, []);
    limit.release();
    clearInterval(this.#watchdog);
  }

  /** Never rejects: a task fails only with its thread. */
  async #task(name: string, task: unknown, transferList: (ArrayBuffer | MessagePort)[]): Promise<void> {
    try {
      await this.#pool.run(task, { name, transferList });
    } catch (error) {
      this.#lose(error);
    }
  }

  /** Ends a thread in an endless loop, which reads no messages, from outside. */
  #watch(): NodeJS.Timeout | undefined {
    if (this.#timeoutMs === Infinity) return undefined;
    this.#missedPings = 0;
    return setInterval(() => {
      // Counts pings, not time: when the main thread was blocked, the answers wait behind this timer.
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
    // A thread that could not start leaves a task in piscina whose unhandled promise destroy would reject.
    if (this.#threadId !== NO_THREAD) void this.#pool.destroy();
    // The caller that is just starting work must have recorded its place before the loss is reported.
    queueMicrotask(() => this.#events.lost(this, cause));
  }

  /** Delivers the messages that the thread posted before its end, then closes the port. */
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
