/** A file of a drone without an agent, as a script prints it. */
import { onAbort } from '../../../../../wait/abort.js';
import type { Found, SourceFile } from '../../../../transfer/file-system.js';
import { argument, ATTRIBUTES, foundIn } from './attributes.js';
import {
  FAILED,
  LONGEST_FAILURE_CHARS,
  type MethodCall,
  runScript,
  systemStep,
  unexplained,
  withSignal,
  type ScriptEnd,
} from './script.js';
import { codeIn, systemError } from './system-error.js';

/** Bytes held here before the drone has to wait. */
const WINDOW_BYTES = 1024 * 1024;

/**
 * Arguments: path, whether it may be a link. Prints a line of attributes, then as many bytes as they state, and at least
 * one of a file that states none, so that a file of /proc does not seem empty.
 */
const READ = [
  ATTRIBUTES,
  'if [ -z "$2" ] && [ -L "$1" ]; then fail link; fi',
  'drone_found=$(attributes "$1" -L) || fail open',
  'if [ ! -f "$1" ]; then printf "%s\\n" "$drone_found"; exit 0; fi; true <"$1" || fail open',
  'printf "%s\\n" "$drone_found"; drone_path=$1; set -- $drone_found',
  'case $1 in S) drone_size=$3;; *) drone_size=$7;; esac; if [ "$drone_size" -eq 0 ]; then drone_size=1; fi',
  'head -c "$drone_size" <"$drone_path" || fail read',
].join('\n');

export class RemoteSource implements SourceFile {
  readonly #call: MethodCall;
  readonly #path: Buffer;
  readonly #stop = new AbortController();
  readonly #end: Promise<void>;
  #found: Found | undefined;
  #head = '';
  #chunks: Buffer[] = [];
  #bytes = 0;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;
  #waits: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  private constructor(call: MethodCall, path: Buffer, mayBeLink: boolean) {
    this.#call = call;
    this.#path = path;
    const stopListening = onAbort(call.context.signal, () => {
      this.#stop.abort();
      this.#proceed();
    });
    this.#end = runScript(
      { ...call, context: withSignal(call.context, this.#stop.signal) },
      { text: READ, args: [argument(path), mayBeLink ? 'yes' : ''], stream: chunk => this.#take(chunk) },
    )
      .then(
        end => {
          if (end.exit.exitCode !== 0) this.#failure = { error: this.#errorOf(end) };
        },
        (error: unknown) => {
          this.#failure = { error };
        },
      )
      .finally(() => {
        stopListening();
        this.#isOver = true;
        this.#wake();
      });
  }

  static async open(call: MethodCall, path: Buffer, mayBeLink: boolean): Promise<RemoteSource> {
    const source = new RemoteSource(call, path, mayBeLink);
    while (source.#found === undefined && !source.#isOver) await source.#more();
    if (source.#failure !== undefined && source.#found === undefined) throw source.#failure.error;
    return source;
  }

  get found(): Found {
    return this.#found ?? { kind: 'other', mode: 0, mtimeMs: 0, size: 0 };
  }

  async read(chunk: Uint8Array): Promise<number> {
    for (;;) {
      if (this.#isOver && this.#failure !== undefined) throw this.#failure.error;
      // The last bytes may be the name of a step that failed.
      const ready = this.#isOver ? this.#bytes : this.#bytes - LONGEST_FAILURE_CHARS;
      if (ready > 0) return this.#give(chunk, Math.min(ready, chunk.byteLength));
      if (this.#isOver) return 0;
      this.#proceed();
      await this.#more();
    }
  }

  async close(): Promise<void> {
    if (!this.#isOver) this.#stop.abort();
    this.#proceed();
    await this.#end;
  }

  #more(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve;
    });
  }

  #take(chunk: Uint8Array): Promise<void> | undefined {
    // Nothing reads any more, and the script must not wait for that.
    if (this.#stop.signal.aborted) return undefined;
    let bytes = Buffer.from(chunk);
    if (this.#found === undefined) {
      this.#head += bytes.toString('latin1');
      const end = this.#head.indexOf('\n');
      if (end < 0 || this.#head.startsWith(FAILED)) return undefined;
      this.#found = foundIn(this.#head.slice(0, end));
      bytes = Buffer.from(this.#head.slice(end + 1), 'latin1');
    }
    this.#chunks.push(bytes);
    this.#bytes += bytes.byteLength;
    this.#wake();
    if (this.#bytes <= WINDOW_BYTES) return undefined;
    this.#waits ??= waiting();
    return this.#waits.promise;
  }

  #proceed(): void {
    this.#waits?.resolve();
    this.#waits = undefined;
  }

  #give(into: Uint8Array, length: number): number {
    for (let at = 0; at < length;) {
      const [first = Buffer.alloc(0)] = this.#chunks;
      const part = first.subarray(0, length - at);
      into.set(part, at);
      at += part.byteLength;
      if (part.byteLength === first.byteLength) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(part.byteLength);
    }
    this.#bytes -= length;
    if (this.#bytes <= WINDOW_BYTES / 2) this.#proceed();
    return length;
  }

  #errorOf(end: ScriptEnd): Error {
    const path = this.#path.toString();
    const code = codeIn(end.stderr);
    const errors: Readonly<Record<string, Error | undefined>> = {
      link: systemError('ELOOP', { syscall: 'open', path }),
      open: systemStep({ syscall: 'open', path })(code),
      read: systemStep({ syscall: 'read' })(code),
    };
    return errors[end.failed ?? ''] ?? unexplained(this.#call, end);
  }
}

function waiting(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>(done => {
    resolve = done;
  });
  return { promise, resolve };
}
