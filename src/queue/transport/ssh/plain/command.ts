/**
 * A command on its exec channel.
 *
 * It has started once its marker was read, has exited once the server says so, and is over when its output has arrived.
 * A background process may hold the output open, and write, forever. So the command is over DRAIN_MS after its exit,
 * once round trips have shown that the server has no more of its output to send.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientChannel } from 'ssh2';
import { LoginNoise } from './login-noise.js';
import type { Server } from './server.js';
import type { ExecText } from './shell-text.js';

const DRAIN_MS = 200;
/** No server holds back more than this of the output before the exit; what exceeds it comes from another process. */
const MOST_BEHIND_BYTES = 4 * 1024 * 1024;
/** A server that has more to send sends at least this between two answers: it reads a full pipe in such pieces. */
const PIECE_BYTES = 4096;
/** What a server sends for a window that we have just opened comes behind its next answer. */
const QUIET_ROUND_TRIPS = 2;

export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly durationMs: number;
}

/** Gets the output. If it returns a promise, the command has to wait for that once the window is full. */
export type CommandOutput = (stream: 'stdout' | 'stderr', chunk: Uint8Array) => Promise<void> | undefined;

export class Command {
  /** The word after the marker; undefined when the command is over without one. */
  readonly started: Promise<string | undefined>;
  /** Undefined when the channel closed without an exit status. */
  readonly exited: Promise<Exit | undefined>;
  /** Never rejects. */
  readonly over: Promise<void>;
  readonly #server: Server;
  readonly #channel: ClientChannel;
  #output: CommandOutput;
  readonly #out: LoginNoise;
  readonly #err: LoginNoise;
  readonly #closed: Promise<void>;
  #startedAtMs: number | undefined;
  #exit: Exit | undefined;
  #isClosed = false;
  #bytes = 0;
  #paused: Promise<void> | undefined;
  #pauses = 0;

  /** Must be made before the channel's first event. */
  constructor(server: Server, channel: ClientChannel, text: ExecText, output: CommandOutput) {
    this.#server = server;
    this.#channel = channel;
    this.#output = output;
    let started: (word: string | undefined) => void = () => undefined;
    this.started = new Promise(resolve => {
      started = resolve;
    });
    this.#out = new LoginNoise(text.marker, word => {
      this.#startedAtMs = performance.now();
      started(word);
    });
    this.#err = new LoginNoise(text.marker, () => undefined);
    channel.on('data', (chunk: Buffer) => this.#take('stdout', this.#out, chunk));
    channel.stderr.on('data', (chunk: Buffer) => this.#take('stderr', this.#err, chunk));
    // A write to a command that has closed its stdin, which it may.
    channel.on('error', () => undefined);
    let exited: (exit: Exit | undefined) => void = () => undefined;
    this.exited = new Promise(resolve => {
      exited = resolve;
    });
    channel.on('exit', (exitCode: number | null, signal?: string) => {
      this.#exit = { exitCode, signal: nameOf(signal), durationMs: this.#runningMs() };
      exited(this.#exit);
    });
    this.#closed = new Promise(resolve =>
      channel.once('close', () => {
        this.#isClosed = true;
        exited(this.#exit);
        resolve();
      }),
    );
    this.over = this.exited.then(() => this.drain()).then(() => started(undefined));
    if (text.input !== undefined) channel.write(text.input);
  }

  /** What the drone printed instead of starting the command. */
  get noise(): string {
    return `${this.#err.noise} ${this.#out.noise}`;
  }

  /** Resolves when the server has room for more; never once the channel is closed. */
  write(bytes: string | Uint8Array): Promise<void> {
    return new Promise(resolve => this.#channel.write(bytes, () => resolve()));
  }

  endInput(bytes?: string | Uint8Array): void {
    this.#channel.end(bytes);
  }

  #pauseUntil(ready: Promise<void>): void {
    if (this.#paused !== undefined) return;
    this.#channel.pause();
    this.#channel.stderr.pause();
    this.#pauses++;
    this.#paused = ready.then(() => {
      this.#paused = undefined;
      this.#flow();
    });
  }

  /** Whether the server still has the channel open: after the exit, another process holds the output. */
  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** Reads on, and discards what it reads. */
  discard(): void {
    this.#output = () => undefined;
    this.#flow();
  }

  /** Closes the channel and discards further output. */
  close(): void {
    this.discard();
    this.#channel.destroy();
  }

  #flow(): void {
    this.#channel.resume();
    this.#channel.stderr.resume();
  }

  #take(stream: 'stdout' | 'stderr', noise: LoginNoise, chunk: Buffer): void {
    this.#bytes += chunk.byteLength;
    const own = noise.own(chunk);
    const ready = own.byteLength > 0 ? this.#output(stream, own) : undefined;
    if (ready !== undefined) this.#pauseUntil(ready);
  }

  /** The exit may come in one packet with the marker, and be read first. */
  #runningMs(): number {
    return this.#startedAtMs === undefined ? 0 : Math.round(performance.now() - this.#startedAtMs);
  }

  /** Resolves when what was printed up to now has arrived, or the channel is closed. Never rejects. */
  async drain(): Promise<void> {
    const stop = new AbortController();
    const { signal } = stop;
    try {
      await Promise.race([
        this.#closed,
        this.#readable(signal).then(bytesAtExit => this.#caughtUp(bytesAtExit, signal)),
      ]);
    } finally {
      stop.abort();
    }
  }

  /**
   * Waits until the output was readable for DRAIN_MS without a pause, or was too much. Resolves with the bytes at the exit.
   */
  async #readable(signal: AbortSignal): Promise<number> {
    const bytesAtExit = this.#arrivedBytes;
    let pauses: number;
    do {
      await this.#paused;
      pauses = this.#pauses;
      await delay(DRAIN_MS, undefined, { signal }).catch(() => undefined); // aborted: no longer needed
    } while (pauses !== this.#pauses && this.#bytes - bytesAtExit < MOST_BEHIND_BYTES && !signal.aborted);
    return bytesAtExit;
  }

  /**
   * Resolves when the server has answered QUIET_ROUND_TRIPS times without a piece of output in front. Time alone does not
   * show this: a slow connection brings the command's own output late, and a process in the background is never silent.
   */
  async #caughtUp(bytesAtExit: number, signal: AbortSignal): Promise<void> {
    for (let quiet = 0; quiet < QUIET_ROUND_TRIPS && !signal.aborted;) {
      const before = this.#arrivedBytes;
      // Nothing more comes over a lost connection.
      await this.#server.ping().catch(() => undefined);
      await this.#paused;
      quiet = this.#arrivedBytes - before < PIECE_BYTES ? quiet + 1 : 0;
      if (this.#bytes - bytesAtExit >= MOST_BEHIND_BYTES) return;
    }
  }

  /** Includes what waits here to be read. */
  get #arrivedBytes(): number {
    return this.#bytes + this.#channel.readableLength + this.#channel.stderr.readableLength;
  }
}

/** SSH names a dozen signals; servers pass others in their own ways. */
function nameOf(signal: string | undefined): string | null {
  if (signal === undefined) return null;
  return /^SIG[A-Z0-9]+$/.test(signal) ? signal : 'unknown';
}
