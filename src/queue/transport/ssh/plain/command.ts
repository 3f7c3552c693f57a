/**
 * A command on its exec channel, from its start to the end of its output.
 *
 * It has started once its marker is read, has exited once the server says so, and is over when all that it wrote is
 * here. A process that it leaves in the background may hold its output open for ever; so after the exit it is over at
 * the first DRAIN_MS in which nothing came, and a round trip shows that nothing was under way.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientChannel } from 'ssh2';
import { LoginNoise } from './login-noise.js';
import type { Server } from './server.js';
import type { ExecText } from './shell-text.js';

const DRAIN_MS = 200;
/** No server holds back more than this of what was written before the exit; whatever comes then is of somebody else. */
const MOST_BEHIND_BYTES = 4 * 1024 * 1024;

export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** From the command's start, ms. */
  readonly durationMs: number;
}

export interface CommandOutput {
  stdout(chunk: Uint8Array): void;
  stderr(chunk: Uint8Array): void;
}

export class Command {
  /** What the shell said with the marker; undefined when it is over and never said a word. */
  readonly started: Promise<string | undefined>;
  /** Undefined when the channel was closed without a word about the exit. */
  readonly exited: Promise<Exit | undefined>;
  /** Never rejects. */
  readonly over: Promise<void>;
  readonly #server: Server;
  readonly #channel: ClientChannel;
  readonly #out: LoginNoise;
  readonly #err: LoginNoise;
  readonly #closed: Promise<void>;
  #startedAtMs: number | undefined;
  #exit: Exit | undefined;
  #bytes = 0;
  #paused: Promise<void> | undefined;

  /** To be made before the channel's first event. */
  constructor(server: Server, channel: ClientChannel, text: ExecText, output: CommandOutput) {
    this.#server = server;
    this.#channel = channel;
    let started: (word: string | undefined) => void = () => undefined;
    this.started = new Promise(resolve => {
      started = resolve;
    });
    this.#out = new LoginNoise(text.marker, word => {
      this.#startedAtMs = performance.now();
      started(word);
    });
    this.#err = new LoginNoise(text.marker, () => undefined);
    channel.on('data', (chunk: Buffer) => {
      this.#take(this.#out, chunk, output.stdout);
    });
    channel.stderr.on('data', (chunk: Buffer) => {
      this.#take(this.#err, chunk, output.stderr);
    });
    // Of writing to a command that has closed its stdin, or has ended: it is free to.
    channel.on('error', () => undefined);
    let exited: (exit: Exit | undefined) => void = () => undefined;
    this.exited = new Promise(resolve => {
      exited = resolve;
    });
    channel.on('exit', (exitCode: number | null, signal?: string) => {
      this.#exit = { exitCode, signal: nameOf(signal), durationMs: this.#runningMs() };
      exited(this.#exit);
    });
    this.#closed = new Promise(resolve => {
      channel.once('close', () => {
        exited(this.#exit);
        resolve();
      });
    });
    this.over = this.exited
      .then(() => this.#drain())
      .then(() => {
        started(undefined);
      });
    if (text.input !== undefined) channel.write(text.input);
  }

  /** What the drone said in place of starting the command. */
  get noise(): string {
    return `${this.#err.noise} ${this.#out.noise}`;
  }

  /** Ends the command's stdin, after these bytes. */
  endInput(bytes?: string | Uint8Array): void {
    this.#channel.end(bytes);
  }

  /** Reads no further until `ready`: the command has to wait once the window is full. */
  pauseUntil(ready: Promise<void>): void {
    if (this.#paused !== undefined) return;
    this.#channel.pause();
    this.#channel.stderr.pause();
    this.#paused = ready.then(() => {
      this.#paused = undefined;
      this.#flow();
    });
  }

  /** Gives up the channel; what still comes is thrown away. */
  close(): void {
    this.#flow();
    this.#channel.destroy();
  }

  #flow(): void {
    this.#channel.resume();
    this.#channel.stderr.resume();
  }

  #take(stream: LoginNoise, chunk: Buffer, pass: (chunk: Uint8Array) => void): void {
    this.#bytes += chunk.byteLength;
    const own = stream.own(chunk);
    if (own.byteLength > 0) pass(own);
  }

  /** The exit may come in one packet with the marker, and be read before it. */
  #runningMs(): number {
    return this.#startedAtMs === undefined ? 0 : Math.round(performance.now() - this.#startedAtMs);
  }

  async #drain(): Promise<void> {
    const stop = new AbortController();
    try {
      await Promise.race([this.#closed, this.#silence(stop.signal)]);
    } finally {
      stop.abort();
    }
  }

  async #silence(signal: AbortSignal): Promise<void> {
    const bytesAtExit = this.#bytes;
    let before: number;
    do {
      before = this.#bytes;
      await delay(DRAIN_MS, undefined, { signal }).catch(() => undefined); // aborted: no longer needed
      await this.#paused;
      if (signal.aborted) return;
      // Of a connection that is lost nothing more can come.
      await this.#server.ping().catch(() => undefined);
    } while (this.#bytes !== before && this.#bytes - bytesAtExit < MOST_BEHIND_BYTES);
  }
}

/** SSH names a dozen signals; of another one the server makes what it likes. */
function nameOf(signal: string | undefined): string | null {
  if (signal === undefined) return null;
  return /^SIG[A-Z0-9]+$/.test(signal) ? signal : 'unknown';
}
