/** The built agent as a transport starts it, with a driver that speaks its frames. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { decode, encode } from '../../../src/queue/wire/codec/codec.js';
import { encodeCredit } from '../../../src/queue/wire/credits.js';
import { LOADER } from '../../../src/queue/agent/loader.js';
import type { UtilityMethods } from '../../../src/queue/wire/methods.js';
import { encodeFrame, FrameReader, FrameWriter, join } from '../../../src/queue/wire/frames.js';
import {
  FrameType,
  writeCall,
  type AgentConfig,
  type CallHead,
  type FailedReport,
} from '../../../src/queue/wire/messages.js';

export const MARKER = 'drone-0123456789abcdef';

/** As it is sent to a drone. */
const AGENT = readFileSync(new URL('../../../dist/agent.bundle', import.meta.url));

/** A frame from the agent, its payload decoded: a value, or with Output the stream's number and the text. */
export interface Reply {
  readonly type: number;
  readonly batch: number;
  readonly index: number;
  readonly value: unknown;
}

export interface AgentOptions {
  readonly node?: string;
  readonly config?: Partial<AgentConfig>;
  readonly cwd?: string;
  /** Whether output is credited as soon as it is there. Default true. */
  readonly credits?: boolean;
}

/** Starts an agent, for `await using`: it is then ended before the leak check looks. */
export async function startAgent(options: AgentOptions = {}): Promise<TestAgent> {
  const { node = process.execPath, config, cwd, credits = true } = options;
  const child = spawn(node, ['-e', LOADER, MARKER], { stdio: 'pipe', detached: true, cwd });
  const agent = new TestAgent(child, credits);
  child.stdin.write(AGENT);
  agent.configure(config);
  await agent.next(FrameType.Ready);
  return agent;
}

export class TestAgent {
  readonly child: ChildProcess;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** Exited, and all that it said was read. */
  readonly closed: Promise<unknown>;
  /** Every frame so far. */
  readonly replies: Reply[] = [];
  stderr = '';
  #head = '';
  #waiting: { matches(reply: Reply): boolean; resolve(reply: Reply): void; reject(error: Error): void }[] = [];
  #lastBatch = 1000;

  constructor(child: ChildProcess, credits: boolean) {
    this.child = child;
    this.exited = once(child, 'exit').then(([code, signal]) => ({ code: code as number, signal: signal as string }));
    this.closed = once(child, 'close');
    const reader = new FrameReader((type, batch, index, payload) => {
      if (type === FrameType.Output && credits) this.credit(batch, index, payload.byteLength - 1);
      this.#take({ type, batch, index, value: type === FrameType.Output ? outputOf(payload) : decode(payload) });
    });
    let started = false;
    child.stdout?.on('data', (chunk: Buffer) => {
      if (started) {
        reader.push(chunk);
        return;
      }
      this.#head += chunk.toString('latin1');
      const found = /^\n(\S+) (v\S+)\n/.exec(this.#head);
      if (found === null) return;
      assert.equal(found[1], MARKER);
      started = true;
      reader.push(Buffer.from(this.#head.slice(found[0].length), 'latin1'));
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    // Writing to an agent that is gone: its exit tells.
    child.stdin?.on('error', () => undefined);
    child.once('close', () => {
      const error = new Error(`the agent is gone; it said ${inspect(this.replies)} and ${this.stderr}`);
      for (const { reject } of this.#waiting) reject(error);
      this.#waiting = [];
    });
  }

  get pid(): number {
    assert(this.child.pid !== undefined);
    return this.child.pid;
  }

  configure(config: Partial<AgentConfig> = {}): void {
    const all: AgentConfig = { env: {}, killGraceMs: 2000, linkSilenceMs: Infinity, ...config };
    this.send(encodeFrame(FrameType.Config, 0, 0, encode(all)));
  }

  send(...frames: Uint8Array[]): void {
    this.child.stdin?.write(join(frames));
  }

  /** The first reply, of those that came and those to come, that is of the type and fits the rest. */
  next(type: number, fits: (reply: Reply) => boolean = () => true): Promise<Reply> {
    const matches = (reply: Reply): boolean => reply.type === type && fits(reply);
    const known = this.replies.find(matches);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve, reject) => this.#waiting.push({ matches, resolve, reject }));
  }

  /** A call frame of a batch. */
  sendCall(batch: number, index: number, method: string, args: unknown[], head: Partial<CallHead> = {}): void {
    this.send(callFrame(batch, index, method, args, head));
  }

  answer(batch: number, index: number): Promise<Reply> {
    const isAnswer = (type: number): boolean => type === FrameType.Value || type === FrameType.Failed;
    const matches = (reply: Reply): boolean => isAnswer(reply.type) && reply.batch === batch && reply.index === index;
    const known = this.replies.find(matches);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve, reject) => this.#waiting.push({ matches, resolve, reject }));
  }

  async value(batch: number, index: number): Promise<unknown> {
    const reply = await this.answer(batch, index);
    assert.equal(reply.type, FrameType.Value, `expected a value, got ${inspect(reply)}`);
    return reply.value;
  }

  async failure(batch: number, index: number): Promise<FailedReport & { error: Error & { code?: unknown } }> {
    const reply = await this.answer(batch, index);
    assert.equal(reply.type, FrameType.Failed, `expected a failure, got ${inspect(reply)}`);
    return reply.value as FailedReport & { error: Error };
  }

  /** One built-in call as a batch of its own. */
  async call<K extends keyof UtilityMethods>(method: K, ...args: unknown[]): Promise<ReturnType<UtilityMethods[K]>> {
    const batch = this.newBatch();
    this.sendCall(batch, 0, method, args);
    return (await this.value(batch, 0)) as ReturnType<UtilityMethods[K]>;
  }

  /** The same, when it is to fail. */
  async fail(method: string, ...args: unknown[]): Promise<Error & { code?: unknown }> {
    const batch = this.newBatch();
    this.sendCall(batch, 0, method, args);
    const { kind, error } = await this.failure(batch, 0);
    assert.equal(kind, 'call');
    return error;
  }

  /** A number for a batch that no other call of this driver uses. */
  newBatch(): number {
    return ++this.#lastBatch;
  }

  credit(batch: number, index: number, bytes: number): void {
    this.send(encodeFrame(FrameType.Credit, batch, index, encodeCredit(bytes)));
  }

  cancel(batch: number, index: number): void {
    this.send(encodeFrame(FrameType.Cancel, batch, index));
  }

  sendUtility(id: string, source: string): void {
    this.send(encodeFrame(FrameType.Utility, 0, 0, encode({ id, source })));
  }

  /** Waits until the agent has read all that was sent before. */
  async settle(): Promise<void> {
    const number = 1_000_000 + this.newBatch();
    this.send(encodeFrame(FrameType.Ping, number, 0));
    await this.next(FrameType.Pong, reply => reply.batch === number);
  }

  warnings(batch?: number): unknown[] {
    const isWanted = (reply: Reply): boolean =>
      reply.type === FrameType.Warning && (batch === undefined || reply.batch === batch);
    return this.replies.filter(isWanted).map(reply => reply.value);
  }

  /** Lets the agent end itself, and sees that it does. */
  async end(): Promise<void> {
    this.child.stdin?.end();
    await this.exited;
    for (const stream of [this.child.stdin, this.child.stdout, this.child.stderr]) stream?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  #take(reply: Reply): void {
    this.replies.push(reply);
    this.#waiting = this.#waiting.filter(({ matches, resolve }) => {
      if (!matches(reply)) return true;
      resolve(reply);
      return false;
    });
  }
}

export function callFrame(
  batch: number,
  index: number,
  method: string,
  args: unknown[],
  head: Partial<CallHead> = {},
): Uint8Array {
  const plain = { streams: false, isKill: false, wantsTotal: false, timeoutMs: Infinity, utility: '' };
  const writer = new FrameWriter();
  writeCall(writer, batch, index, { ...plain, method, args: encode(args), ...head });
  return writer.take();
}

function outputOf(payload: Uint8Array): { stream: number; text: string } {
  return { stream: payload[0] ?? 0, text: Buffer.from(payload.subarray(1)).toString() };
}
