/**
 * A user's module and the thread that runs its methods. The first call starts the thread; when it has ended, the next call
 * starts another. When it ends, one call fails, and all others in it fail with `lost`.
 */
import { basename } from 'node:path';
import { Worker } from 'node:worker_threads';
import { onAbort } from '../../wait/abort.js';
import { settlesWithin } from '../../wait/clock.js';
import { decode } from '../wire/codec/codec.js';
import type { UtilityModule } from '../wire/messages.js';
import { Cancelled } from './call-context.js';
import { failed, type Outcome } from './outcome.js';
import { movable, type ThreadCall, type ThreadMessage, type UtilityThreadData } from './utility-thread.js';

/** A terminated thread ends at once unless a system call holds it, ms. */
const TERMINATE_WAIT_MS = 500;

interface Thread {
  readonly worker: Worker;
  readonly pending: Map<number, (outcome: Outcome | Cancelled) => void>;
  readonly ended: Promise<void>;
  /** Why it ends, and the call to blame, as far as known. */
  death: { id: number | undefined; error: unknown } | undefined;
}

export class UtilityHost {
  readonly #source: string;
  readonly #label: string;
  readonly #bundle: string;
  readonly #warn: (batch: number, message: string) => void;
  /** Threads that are not known to have ended; the last one is in use. */
  readonly #threads = new Set<Thread>();
  #current: Thread | undefined;
  #lastId = 0;
  #retired = false;

  constructor(module: UtilityModule, bundle: string, warn: (batch: number, message: string) => void) {
    this.#source = module.source;
    this.#label = labelOf(module.id);
    this.#bundle = bundle;
    this.#warn = warn;
  }

  /** Throws Cancelled when the signal ended the call, or what kept the thread from starting. */
  async call(batch: number, method: string, args: Uint8Array, signal: AbortSignal): Promise<Outcome> {
    const thread = (this.#current ??= this.#start());
    const id = ++this.#lastId;
    const settled = new Promise<Outcome | Cancelled>(resolve => thread.pending.set(id, resolve));
    const stopListening = onAbort(signal, () => void this.#cancel(thread, id, method));
    try {
      // A copy: a view would take the whole frame along.
      const own = args.slice();
      thread.worker.postMessage({ id, batch, method, args: own } satisfies ThreadCall, movable(own));
      const outcome = await settled;
      if (outcome instanceof Cancelled) throw outcome;
      return outcome;
    } finally {
      stopListening();
      thread.pending.delete(id);
      this.#endIfUnused(thread);
    }
  }

  /** Ends the thread once no call runs in it. Resolves to whether all threads have ended. */
  async retire(): Promise<boolean> {
    this.#retired = true;
    const threads = [...this.#threads];
    for (const thread of threads) this.#endIfUnused(thread);
    const ends = await Promise.all(threads.filter(({ pending }) => pending.size === 0).map(endsSoon));
    return !ends.includes(false);
  }

  #start(): Thread {
    const workerData: UtilityThreadData = { role: 'utility', source: this.#source, label: this.#label };
    const worker = new Worker(this.#bundle, {
      eval: true,
      workerData,
      argv: [],
      execArgv: [],
      // Discarded, as the thread turns output into messages; the agent's own stdout is the link.
      stdout: true,
      stderr: true,
    });
    const ended = new Promise<void>(resolve => worker.once('exit', () => resolve()));
    const thread: Thread = { worker, pending: new Map(), ended, death: undefined };
    this.#threads.add(thread);
    worker.on('message', (message: ThreadMessage) => this.#take(thread, message));
    worker.on('error', error => this.#doom(thread, undefined, error));
    worker.once('exit', code => {
      this.#doom(thread, undefined, new Error(`the thread of ${this.#label} ended with code ${String(code)}`));
      this.#threads.delete(thread);
      this.#bury(thread);
    });
    return thread;
  }

  #take(thread: Thread, message: ThreadMessage): void {
    switch (message.kind) {
      case 'outcome':
        thread.pending.get(message.id)?.(message.outcome);
        return;
      case 'line':
        this.#warn(message.batch, message.text);
        return;
      case 'dying':
        this.#doom(thread, message.id, decode(message.error));
        return;
      default:
        message satisfies never;
    }
  }

  /** The first cause counts. Later calls go to another thread. */
  #doom(thread: Thread, id: number | undefined, error: unknown): void {
    thread.death ??= { id, error };
    if (this.#current === thread) this.#current = undefined;
  }

  #bury({ pending, death }: Thread): void {
    const error = death?.error;
    const only = pending.size === 1 ? [...pending.keys()][0] : undefined;
    const culprit = death?.id ?? only;
    for (const [id, settle] of pending) settle(id === culprit ? failed('call', error) : this.#lost(error));
  }

  #lost(cause: unknown): Outcome {
    return failed('lost', new Error(`the thread of ${this.#label} was ended because of another call`, { cause }));
  }

  async #cancel(thread: Thread, id: number, method: string): Promise<void> {
    this.#doom(thread, id, new Error(`${method} was cancelled`));
    const settle = thread.pending.get(id);
    thread.pending.delete(id);
    void thread.worker.terminate();
    settle?.(new Cancelled(await endsSoon(thread)));
    // Even if it hangs in a system call, nothing in it answers any more.
    this.#bury(thread);
  }

  #endIfUnused(thread: Thread): void {
    if (this.#retired && thread.pending.size === 0) void thread.worker.terminate();
  }
}

function endsSoon({ ended }: Thread): Promise<boolean> {
  return settlesWithin(TERMINATE_WAIT_MS, ended);
}

/** Short, as it appears in every line of a stack. */
function labelOf(id: string): string {
  const path = id.startsWith('data:') ? 'module' : id.replace(/[?#].*$/s, '');
  return `utility:${basename(path)}`;
}
