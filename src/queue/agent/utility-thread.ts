/**
 * Runs inside the thread of a user's module: loads it, runs its functions, and decodes and encodes values, so that the
 * agent's main thread only passes bytes on.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { isMainThread, parentPort, type MessagePort } from 'node:worker_threads';
import { encode } from '../wire/codec/codec.js';
import { decodeArguments } from './arguments.js';
import { isBuiltIn } from './built-ins.js';
import { describe, failed, returned, type Outcome } from './outcome.js';
import { PrintedLines } from './printed-lines.js';

export interface UtilityThreadData {
  readonly role: 'utility';
  readonly source: string;
  /** Names the module in stacks and warnings. */
  readonly label: string;
}

export interface ThreadCall {
  readonly id: number;
  readonly batch: number;
  readonly method: string;
  readonly args: Uint8Array;
}

/** `dying`: the thread is about to end, because of call `id` if known. */
export type ThreadMessage =
  | { readonly kind: 'outcome'; readonly id: number; readonly outcome: Outcome }
  | { readonly kind: 'line'; readonly batch: number; readonly text: string }
  | { readonly kind: 'dying'; readonly id: number | undefined; readonly error: Uint8Array };

const NO_BATCH = 0;
/** Smaller buffers are copied as fast; and an empty payload may be a shared one. */
const MOVE_BYTES = 64 * 1024;

/** The buffer to move along with a message of `bytes`, which are then gone here. */
export function movable({ buffer, byteLength }: Uint8Array): ArrayBuffer[] {
  const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  return isWhole && byteLength >= MOVE_BYTES ? [buffer] : [];
}

export function runUtilityThread({ source, label }: UtilityThreadData): void {
  if (isMainThread || parentPort === null) throw new Error('a utility thread was started outside of a thread');
  new UtilityThread(parentPort, label).start(source);
}

class UtilityThread {
  readonly #port: MessagePort;
  readonly #label: string;
  /** The call that prints, exits or throws, also from its callbacks. */
  readonly #current = new AsyncLocalStorage<ThreadCall>();
  readonly #printed: PrintedLines;
  #url = '';
  #module: Promise<Readonly<Record<string, unknown>>> = Promise.resolve({});

  constructor(port: MessagePort, label: string) {
    this.#port = port;
    this.#label = label;
    this.#printed = new PrintedLines((batch, line) =>
      this.#post({ kind: 'line', batch, text: `${label} printed: ${line}` }),
    );
  }

  start(source: string): void {
    this.#captureOutput(process.stdout);
    this.#captureOutput(process.stderr);
    const exit = process.exit.bind(process);
    process.exit = (code = process.exitCode): never => {
      this.#die(new Error(`process.exit(${String(code ?? '')}) in ${this.#label}`));
      return exit(code);
    };
    process.on('uncaughtException', error => {
      this.#die(error);
      exit(1);
    });
    // Without the sourceURL each line of a stack would hold the whole module.
    const text = `${source}\n//# sourceURL=${this.#label}`;
    this.#url = `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`;
    this.#module = import(this.#url) as Promise<Record<string, unknown>>;
    this.#module.catch(() => undefined); // each call tells
    this.#port.on('message', (call: ThreadCall) => {
      void this.#current.run(call, () => this.#answer(call));
    });
  }

  async #answer(call: ThreadCall): Promise<void> {
    const outcome = await this.#run(call);
    this.#printed.endLine(call.batch);
    this.#port.postMessage({ kind: 'outcome', id: call.id, outcome } satisfies ThreadMessage, movable(outcome.payload));
  }

  async #run({ method, args }: ThreadCall): Promise<Outcome> {
    try {
      const list = decodeArguments(method, args);
      const run = methodOf(await this.#module, method, this.#label);
      return returned(await run(...list));
    } catch (error) {
      return failed('call', this.#named(error));
    }
  }

  /** An import that fails names the URL that it stands in, which here is the whole module. */
  #named(error: unknown): unknown {
    if (error instanceof Error && error.message.includes(this.#url)) {
      for (const field of ['message', 'stack'] as const) {
        Reflect.set(error, field, error[field]?.replaceAll(this.#url, this.#label));
      }
    }
    return error;
  }

  /** Stdout is the link; and Node would deliver a thread's printed lines after the answer that they precede. */
  #captureOutput(stream: NodeJS.WriteStream): void {
    stream.write = (chunk: Uint8Array | string, encoding?: unknown, callback?: unknown): boolean => {
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      this.#printed.push(this.#current.getStore()?.batch ?? NO_BATCH, text);
      const done = typeof encoding === 'function' ? encoding : callback;
      if (typeof done === 'function') process.nextTick(done);
      return true;
    };
  }

  #die(error: unknown): void {
    this.#printed.endAll();
    this.#post({ kind: 'dying', id: this.#current.getStore()?.id, error: encodeError(error) });
  }

  #post(message: ThreadMessage): void {
    this.#port.postMessage(message);
  }
}

function methodOf(
  module: Readonly<Record<string, unknown>>,
  method: string,
  label: string,
): (...args: unknown[]) => unknown {
  const taken = Object.keys(module).find(isBuiltIn);
  if (taken !== undefined) {
    const message = `${label} exports ${taken}, which is the name of a built-in method: rename the export`;
    throw Object.assign(new Error(message), { code: 'ERR_UTILITY_NAME' });
  }
  const run = module[method];
  if (typeof run === 'function') return run as (...args: unknown[]) => unknown;
  throw Object.assign(new Error(`there is no method ${describe(method)}: ${label} exports no such function`), {
    code: 'ERR_NO_METHOD',
  });
}

function encodeError(error: unknown): Uint8Array {
  try {
    return encode(error);
  } catch {
    return encode(new Error(describe(error)));
  }
}
