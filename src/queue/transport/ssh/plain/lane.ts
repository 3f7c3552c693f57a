/** A lane from this side: its channel, and the command that it runs. See lane-text.ts. */
import { randomBytes } from 'node:crypto';
import type { ClientChannel } from 'ssh2';
import { settlesWithin } from '../../../../wait/clock.js';
import { ChannelFlow } from './channel-flow.js';
import { type CommandOutput, DRAIN_MS, type Exit, type Running } from './command.js';
import { LaneRecords } from './lane-records.js';
import { LEAVE, laneText, type LaneSettings, PING } from './lane-text.js';
import type { PipeIds, PipeKeeper } from './pipe-keeper.js';
import { type Start, startOf } from './shell-text.js';

const NONCE_BYTES = 16;
/**
 * The search for what a command has left behind goes by process ids, and fails once they have begun anew. No system
 * starts its 32,768 processes, the fewest that Linux counts to, within this time.
 */
const LONGEST_SEARCHED_MS = 3000;
const KEPT_NOISE_CHARS = 4096;
/** `X`, a mark when something may be left behind, and the status, or for a signal `S` and its name. */
const END_RECORD = /^X(?<left>T?) (?:(?<status>\d+)|S(?<signal>[A-Z0-9+]*))$/;

export interface LaneOptions extends Omit<LaneSettings, 'nonce'> {
  readonly keeper: PipeKeeper;
  /** The lane waits for a command again. */
  readonly free: (lane: Lane) => void;
  /** The lane takes no more commands. */
  readonly gone: (lane: Lane) => void;
}

export class Lane {
  /** Whether it serves. If not, it has run nothing. */
  readonly ready: Promise<boolean>;
  readonly #channel: ClientChannel;
  readonly #options: LaneOptions;
  readonly #flow: ChannelFlow;
  /** Resolves when its channel has closed. */
  readonly closed: Promise<void>;
  #settleReady: (isReady: boolean) => void = () => undefined;
  #start: Start | undefined;
  /** The streams on which the lane has begun; what came before is noise of the login shell. */
  readonly #begun = new Set<'stdout' | 'stderr'>();
  #noise = '';
  #command: LaneCommand | undefined;
  #isLeaving = false;
  #isClosed = false;

  /** Must be made before the channel's first event. */
  constructor(channel: ClientChannel, options: LaneOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#flow = new ChannelFlow(channel);
    this.ready = new Promise(resolve => {
      this.#settleReady = resolve;
    });
    const nonce = randomBytes(NONCE_BYTES).toString('hex');
    const reader = (stream: 'stdout' | 'stderr'): LaneRecords =>
      new LaneRecords(nonce, {
        bytes: chunk => this.#take(stream, chunk),
        record: text => this.#read(stream, text),
      });
    channel.on('data', reader('stdout').take);
    channel.stderr.on('data', reader('stderr').take);
    // A write to a lane that has gone.
    channel.on('error', () => undefined);
    const exited = new Promise<void>(resolve => channel.once('exit', () => resolve()));
    this.closed = new Promise(resolve =>
      channel.once('close', () => {
        this.#isClosed = true;
        resolve();
      }),
    );
    void Promise.race([exited, this.closed]).then(() => this.#end());
    void this.closed.then(() => {
      this.#settleReady(false);
      this.#command?.lost();
    });
    channel.write(laneText({ ...options, nonce }));
  }

  get noise(): string {
    return this.#noise;
  }

  /** The text as lane-text.ts makes it. Only while no other command runs. */
  run(text: Uint8Array, output: CommandOutput): Running {
    const command = new LaneCommand(this, output);
    this.#command = command;
    this.#channel.write(text);
    if (this.#start !== undefined) command.start(this.#start);
    return command;
  }

  ping(): void {
    if (!this.#isLeaving) this.#channel.write(PING);
  }

  /** Ends the lane, and nothing that a command has left behind. */
  leave(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#options.gone(this);
    this.#channel.write(LEAVE);
  }

  /** The command's caller has no more use for it. */
  done(command: LaneCommand): void {
    if (command !== this.#command) return;
    this.#flow.resume();
    if (!command.isOver) {
      this.#isLeaving = true;
      this.#options.gone(this);
      this.#channel.destroy();
      return;
    }
    this.#command = undefined;
    if (command.isLast) this.leave();
    else if (!this.#isLeaving) this.#options.free(this);
  }

  /** The lane's group is about to be ended. */
  retire(): void {
    this.#isLeaving = true;
    this.#options.gone(this);
  }

  pauseUntil(ready: Promise<void>): void {
    this.#flow.pauseUntil(ready);
  }

  resume(): void {
    this.#flow.resume();
  }

  #take(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    if (!this.#begun.has(stream)) {
      this.#noise = (this.#noise + chunk.toString('latin1')).slice(-KEPT_NOISE_CHARS);
    } else if (this.#command === undefined) {
      // Of something that a command has left behind.
      this.leave();
    } else this.#command.take(stream, chunk);
  }

  #read(stream: 'stdout' | 'stderr', text: string): void {
    if (!text.startsWith('R')) {
      this.#command?.read(text);
      return;
    }
    this.#begun.add(stream);
    if (stream === 'stderr') return;
    this.#start = startOf(text.slice(1).trim());
    if (this.#start !== undefined) this.#command?.start(this.#start);
    this.#settleReady(this.#start !== undefined);
  }

  async #keep(pipes: PipeIds): Promise<void> {
    await this.#options.keeper.keep(pipes);
    this.#channel.destroy();
  }

  /** The lane's shell has ended; what it ran is ended by its reader, and what it left behind gets one. */
  #end(): void {
    const isAsked = this.#isLeaving;
    this.retire();
    const pipes: PipeIds = this.#start?.pipes ?? [];
    if (this.#isClosed) return;
    if (!isAsked || this.#command !== undefined) this.#channel.end();
    else void settlesWithin(DRAIN_MS, this.closed).then(isClosed => (isClosed ? undefined : this.#keep(pipes)));
  }
}

class LaneCommand implements Running {
  readonly started: Promise<Start | undefined>;
  readonly exited: Promise<Exit | undefined>;
  readonly over: Promise<void>;
  readonly isOpen = false;
  readonly #lane: Lane;
  readonly #atMs = performance.now();
  #output: CommandOutput;
  #settleStarted: (start: Start | undefined) => void = () => undefined;
  #settleExited: (exit: Exit | undefined) => void = () => undefined;
  #exit: Exit | undefined;
  #refusal: string | undefined;
  #streamsAtEnd = 0;
  #isLast = false;

  constructor(lane: Lane, output: CommandOutput) {
    this.#lane = lane;
    this.#output = output;
    this.started = new Promise(resolve => {
      this.#settleStarted = resolve;
    });
    this.exited = new Promise(resolve => {
      this.#settleExited = resolve;
    });
    this.over = this.exited.then(() => undefined);
  }

  get refusal(): string | undefined {
    return this.#refusal;
  }

  get noise(): string {
    return this.#lane.noise;
  }

  get isOver(): boolean {
    return this.#streamsAtEnd === 2;
  }

  /** Whether the lane can take no other command after it. */
  get isLast(): boolean {
    return this.#isLast;
  }

  start(start: Start): void {
    this.#settleStarted(start);
  }

  take(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    if (this.isOver) return;
    const ready = this.#output(stream, chunk);
    if (ready !== undefined) this.#lane.pauseUntil(ready);
  }

  read(record: string): void {
    if (record.startsWith('C ')) this.#refusal = record.slice(2);
    else {
      const end = END_RECORD.exec(record)?.groups;
      if (end !== undefined) this.#exit = this.#exitOf(end);
      if ((end !== undefined || record === 'Z') && ++this.#streamsAtEnd === 2) this.#settleExited(this.#exit);
    }
  }

  lost(): void {
    this.#settleStarted(undefined);
    this.#settleExited(undefined);
  }

  ending(): void {
    this.#lane.retire();
  }

  discard(): void {
    this.#output = () => undefined;
    this.#lane.resume();
  }

  close(): void {
    this.#lane.done(this);
  }

  #exitOf({ left, status, signal }: Record<string, string | undefined>): Exit {
    const durationMs = Math.round(performance.now() - this.#atMs);
    this.#isLast = left === 'T' || durationMs > LONGEST_SEARCHED_MS;
    if (status !== undefined) return { exitCode: Number(status), signal: null, durationMs };
    return { exitCode: null, signal: signal === '' ? 'unknown' : `SIG${signal ?? ''}`, durationMs };
  }
}
