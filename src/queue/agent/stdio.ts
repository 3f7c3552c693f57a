/**
 * The agent's ends of the link. One reused read buffer and direct writes to the file descriptor take half the CPU time
 * of process.stdin and process.stdout.
 */
import { writeSync } from 'node:fs';
import { Socket, type ConnectOpts, type SocketConstructorOpts } from 'node:net';
import { encodeFrame, FrameWriter } from '../wire/frames.js';
import { type FrameType } from '../wire/messages.js';

const STDIN = 0;
const STDOUT = 1;
const READ_BYTES = 64 * 1024;
/** Payloads up to this size are joined per turn, to save system calls; larger ones go by themselves. */
const JOIN_BYTES = 32 * 1024;
/** With this much unsent, callers that can wait should. */
const CONGESTED_BYTES = 1024 * 1024;

const NOTHING = new Uint8Array(0);

export interface StdioEvents {
  /** The chunk holds only during the call. */
  data(chunk: Uint8Array): void;
  /** Stdin ended or failed, or stdout accepts no more. May be called more than once. */
  end(): void;
}

export class Stdio {
  readonly #events: StdioEvents;
  // A socket only to become non-blocking, and for bytes that the system does not take at once.
  readonly #output = new Socket({ fd: STDOUT, readable: false, writable: true });
  readonly #unsent = new FrameWriter();
  #unsentBytes = 0;
  #waiting: (() => void)[] = [];
  #broken = false;

  constructor(events: StdioEvents) {
    this.#events = events;
    this.#output.on('drain', () => this.#wake());
    this.#output.on('error', () => this.#break());
  }

  open(): void {
    const options: SocketConstructorOpts & ConnectOpts = {
      fd: STDIN,
      readable: true,
      writable: false,
      onread: {
        buffer: new Uint8Array(READ_BYTES),
        callback: (count, buffer) => {
          this.#events.data(buffer.subarray(0, count));
          return true;
        },
      },
    };
    const input = new Socket(options);
    input.on('end', () => this.#events.end());
    input.on('error', () => this.#events.end());
  }

  get congested(): boolean {
    return !this.#broken && this.#unsentBytes + this.#output.writableLength > CONGESTED_BYTES;
  }

  /** Resolves when the link has caught up, or is gone. */
  async drained(): Promise<void> {
    while (this.congested) await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  send(type: FrameType, batch: number, index: number, payload: Uint8Array = NOTHING): void {
    if (payload.byteLength > JOIN_BYTES) {
      this.flush();
      this.#write(encodeFrame(type, batch, index, payload));
      return;
    }
    const isFirst = this.#unsent.empty;
    this.#unsent.frame(type, batch, index, payload);
    this.#unsentBytes += payload.byteLength;
    if (!isFirst) return;
    // A tick asked for in a microtask comes after all microtasks, so that the frames of one event leave together.
    queueMicrotask(() => process.nextTick(() => this.flush()));
  }

  /** Hands all frames to the system, the rest to the socket; their order is kept. */
  flush(): void {
    if (this.#unsent.empty) return;
    this.#unsentBytes = 0;
    this.#write(this.#unsent.take());
    this.#wake();
  }

  /** Sends what the system accepts at once, and nothing from then on; ends all waits. */
  close(): void {
    this.flush();
    this.#broken = true;
    this.#wake();
  }

  #write(bytes: Uint8Array): void {
    let at = 0;
    try {
      while (!this.#broken && this.#output.writableLength === 0 && at < bytes.byteLength) {
        at += writeSync(STDOUT, bytes, at);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') this.#break();
    }
    if (!this.#broken && at < bytes.byteLength) this.#output.write(bytes.subarray(at));
  }

  /** EPIPE: the agent has lost its link, and the rest is dropped. */
  #break(): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#wake();
    this.#events.end();
  }

  #wake(): void {
    if (this.congested) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
