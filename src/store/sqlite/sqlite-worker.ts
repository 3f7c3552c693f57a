/** The store's side of a thread that holds connections to an SQLite file. */
import { Worker } from 'node:worker_threads';
import { StoreError } from '../store-error.js';
import type { Answer, ErrorRecord, Executed, Request } from './messages.js';

/** A thread that is gone, and all of its connections with it. */
export const THREAD_LOST = 'ERR_SQLITE_THREAD_LOST';

interface Waiting {
  resolve(value: Executed | undefined): void;
  reject(error: Error): void;
}

/** From its start to its end; it does not come back. It keeps the process alive only while something is asked of it. */
export class SqliteWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onLost: (error: Error) => void;
  #lastId = 0;
  #lost: Error | undefined;
  #isClosing = false;

  /** `onLost` is told of an end that nobody asked for. */
  constructor(name: string, onLost: (error: Error) => void) {
    this.#onLost = onLost;
    // Its modules are plain JavaScript: whatever loads the program's own is of no use to it.
    this.#worker = new Worker(new URL('./sqlite-thread.js', import.meta.url), { name, execArgv: [] });
    this.#worker.unref();
    this.#worker.on('message', (answer: Answer) => {
      this.#settle(answer);
    });
    this.#worker.on('messageerror', error => {
      this.#end(error);
      void this.#worker.terminate();
    });
    this.#worker.on('error', error => {
      this.#end(error);
    });
    this.#worker.on('exit', code => {
      this.#end(new Error(`it exited with code ${String(code)}`));
    });
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Rejects with the thread's error, its `code` and `errcode` kept, or with code `ERR_SQLITE_THREAD_LOST`. */
  ask(request: Request): Promise<Executed | undefined> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#worker.postMessage({ id, request });
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(id, { resolve, reject });
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#worker.terminate();
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ('error' in answer) waiting?.reject(errorOf(answer.error));
    else waiting?.resolve(answer.value);
  }

  #end(cause: unknown): void {
    if (this.#lost !== undefined) return;
    this.#lost = Object.assign(new Error('the thread of the SQLite database is gone', { cause }), {
      code: THREAD_LOST,
    });
    if (!this.#isClosing) this.#onLost(this.#lost);
    for (const { reject } of this.#waiting.values()) reject(this.#lost);
    this.#waiting.clear();
  }
}

function errorOf({ name, message, stack, code, errcode }: ErrorRecord): Error {
  if (code === 'ERR_PACKAGE_MISSING') return new StoreError(code, message);
  const error = Object.assign(new Error(message), { code, ...(errcode === undefined ? {} : { errcode }) });
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
  // The thread's own stack tells nothing that the message does not; where it was called from does.
  return Object.assign(error, { remoteStack: stack });
}
