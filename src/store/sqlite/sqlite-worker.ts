/** The store's side of a thread with connections to an SQLite file. */
import { Worker } from 'node:worker_threads';
import { packageFile } from '../../option/package-file.js';
import { StoreError } from '../store-error.js';
import type { Answer, ErrorRecord, Executed, Request } from './messages.js';

/**
 * The thread is gone with all of its connections.
 *
 * - `ERR_SQLITE_THREAD_LOST` (`cause` of StoreError): the thread of an SQLite database died. Its open sections kept
 *   nothing, unless their code is `ERR_COMMIT_UNKNOWN`. The next section starts a new thread.
 */
export const THREAD_LOST = 'ERR_SQLITE_THREAD_LOST';

interface Waiting {
  resolve(value: Executed | undefined): void;
  reject(error: Error): void;
}

/** Does not restart after its end. Keeps the process alive only while a request waits. */
export class SqliteWorker {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onLost: (error: Error) => void;
  #lastId = 0;
  #lost: Error | undefined;
  #isClosing = false;

  /** Calls `onLost` when it ends without `close`. */
  constructor(name: string, onLost: (error: Error) => void) {
    this.#onLost = onLost;
    // Without the program's loaders: its modules are plain JavaScript.
    this.#worker = new Worker(packageFile('./sqlite-thread.js', import.meta.url), { name, execArgv: [] });
    this.#worker.unref();
    this.#worker.on('message', (answer: Answer) => this.#settle(answer));
    this.#worker.on('messageerror', error => {
      this.#end(error);
      void this.#worker.terminate();
    });
    this.#worker.on('error', error => this.#end(error));
    this.#worker.on('exit', code => this.#end(new Error(`it exited with code ${String(code)}`)));
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
    const lost = new Error('the thread of the SQLite database is gone', { cause });
    this.#lost = Object.assign(lost, { code: THREAD_LOST });
    if (!this.#isClosing) this.#onLost(this.#lost);
    for (const { reject } of this.#waiting.values()) reject(this.#lost);
    this.#waiting.clear();
  }
}

function errorOf({ name, message, stack, code, errcode }: ErrorRecord): Error {
  if (code === 'ERR_PACKAGE_MISSING') return new StoreError(code, message);
  const error = Object.assign(new Error(message), { code, ...(errcode === undefined ? {} : { errcode }) });
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
  // Its own stack is where it was called from, which helps more than the thread's.
  return Object.assign(error, { remoteStack: stack });
}
