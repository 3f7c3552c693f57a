/**
 * The messages of both boundaries: main thread ⇢ worker thread, and worker thread ⇢ agent on the drone.
 *
 * Each is a frame (frames.ts): type, batch, index and payload. `batch` numbers a drone's batch (unique within a queue),
 * `index` a call in it. The worker thread checks the agent's frames and forwards them: values stay opaque bytes from
 * the drone to the main thread.
 */
import { type FrameWriter, HEADER_BYTES, readF64, readU16, readU8 } from './frames.js';
import type { RunResult } from './methods.js';

/** Sent in the agent's Ready frame. Both sides come from one package, so a mismatch means another program. */
export const PROTOCOL_VERSION = 2;

/** Who sends which frame, and what its payload holds (`value` = a codec value, see codec.ts). */
export const FrameType = {
  // To the agent, from the worker thread.
  Config: 1, // value AgentConfig; first frame after the bundle
  Utility: 2, // value UtilityModule; before the first call that names it
  Call: 3, // see writeCall
  Cancel: 4, // index: the call to end, now or when its turn comes, or EVERY_CALL; also from the main thread to the worker thread, there also UNLESS_SENT
  Ping: 5, // also from the main thread to the worker thread

  // Both ways between the worker thread and the agent, of the call that its batch is at.
  Credit: 6, // u32le: so many bytes of the call's stream are dealt with, see credits.ts; also from the main thread to the worker thread
  Data: 7, // of a file, see transfer/parts.ts
  DataEnd: 8, // value TransferReport: this side of the call's transfer is over; the agent's awaits the other one

  // From the agent; Value to Output are passed on to the main thread untouched.
  Ready: 16, // value ReadyReport; the agent takes calls from now on
  Value: 17, // value: what the call returned
  Failed: 18, // value FailedReport; ends the batch: later calls of it do not run
  Warning: 19, // value string; batch 0 when it belongs to none
  Output: 20, // u8 stream (1 stdout, 2 stderr), then bytes; only for calls that asked for it
  Pong: 21, // also from the worker thread to the main thread; there `batch` is the number of a probe, or 0
  TransferStart: 22, // the turn of a transfer call has come: the worker thread starts its side

  // From the main thread to the worker thread.
  Batch: 32, // index: how many Call frames follow it; payload see encodeBatchHead
  Probe: 33, // payload as Batch: have the endpoint's agent answer a ping; Pong or Down answers it, under its number

  // From the worker thread to the main thread.
  Phase: 48, // index: number of the phase the batch has entered, see PHASES
  TimedOut: 49, // index: the call whose time is up; its Failed or Down frame follows
  Down: 50, // value DownReport; index 1 when the batch had been sent to the drone, else 0
  Link: 51, // value LinkReport; batch 0
  Progress: 55, // f64le bytes transferred | f64le bytes in all, NaN where that is not known

  // Both ways between a worker thread and the main thread, for drones whose far end lives on the main thread
  // (FakeDrone). `batch` numbers the relayed channel.
  RelayOpen: 64, // value RelayOpening
  RelayData: 65, // bytes
  RelayEnd: 66, // empty, or value: the cause

  // Between a worker thread and the main thread, where the caller's own functions live. `batch` numbers the question.
  Ask: 67, // value Question; from the worker thread
  Answer: 68, // value Answer; to the worker thread
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Index of a Cancel frame that ends the whole batch: the running call is ended, no later one starts. */
export const EVERY_CALL = 0xffff_ffff;

/** Index of a Cancel frame from the main thread that ends the batch if none of it was sent to the drone yet. */
export const UNLESS_SENT = 0xffff_fffe;

/**
 * The phase of a drone's batch.
 *
 * - `waiting`: the batch waits for a turn to connect, for the next attempt, or for the file of the utility module.
 * - `connect`: the TCP connection is being opened, or the process on this machine is being started.
 * - `handshake`: SSH banner, key exchange and check of the host key.
 * - `auth`: login.
 * - `bootstrap`: start of the agent on the drone.
 * - `call`: from sending the batch to its last answer.
 * - `reply`: reserved, not in use.
 */
export type Phase = 'waiting' | 'connect' | 'handshake' | 'auth' | 'bootstrap' | 'call' | 'reply';

/** The index in this list travels in Phase frames. */
export const PHASES: readonly Phase[] = ['waiting', 'connect', 'handshake', 'auth', 'bootstrap', 'call', 'reply'];

export interface AgentConfig {
  /** Added to the agent's environment, and so to every command's. Not in argv, where `ps` would show it. */
  readonly env: Readonly<Record<string, string>>;
  /** From TERM to KILL, ms, when a call is cancelled. */
  readonly killGraceMs: number;
  /** The agent ends itself after this long without a byte, ms; Infinity for never. */
  readonly linkSilenceMs: number;
}

/** A user's utility module, on its way to the agent. */
export interface UtilityModule {
  /** See utilityIdOf. The agent never fetches it. */
  readonly id: string;
  /** Text of the self-contained ES module. */
  readonly source: string;
}

/** Sent when the agent takes calls. */
export interface ReadyReport {
  readonly protocol: number;
  /** Absent, with the version, where a transport plays the agent for a drone without Node. */
  readonly pid?: number | undefined;
  readonly nodeVersion?: string | undefined;
}

/** What a command has printed, within its limit. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** Why a call did not return. */
export interface FailedReport {
  /** `call`: it threw. `cancelled`: ended by a Cancel frame. `lost`: its thread died because of another call. */
  readonly kind: 'call' | 'not-cloneable' | 'cancelled' | 'lost';
  /** What was thrown, an Error or not. */
  readonly error: unknown;
  /** With `cancelled`: whether the call's processes are known to be gone. */
  readonly killed?: boolean | undefined;
  /** With `cancelled` and `lost`: a command's output so far. */
  readonly output?: Output | undefined;
  /** With `call`, of a checked `run`: what it would have returned. */
  readonly result?: RunResult | undefined;
}

export interface TransferCounts {
  readonly bytes: number;
  readonly files: number;
  readonly directories: number;
  readonly links: number;
}

/** What one peer of a transfer sends the other when it is over. */
export interface TransferReport {
  /** Why it failed, unless the other peer has reported that before. */
  readonly error?: unknown;
  /** Cancelled: no failure to leave a note about. */
  readonly isCancelled?: boolean | undefined;
  /** From the receiver. */
  readonly counts?: TransferCounts | undefined;
  /** From the sender: paths of entries that are neither file nor directory nor link. */
  readonly leftOut?: readonly string[] | undefined;
  /** To be logged as the drone's warning. */
  readonly warning?: string | undefined;
}

/** Failures that the worker thread finds on the way to the agent. */
export type DownKind =
  'unreachable' | 'auth' | 'host-key' | 'bootstrap' | 'timeout' | 'cancelled' | 'lost' | 'protocol' | 'not-cloneable';

/** Why a batch ended without an answer of the agent. */
export interface DownReport {
  readonly kind: DownKind;
  readonly phase: Phase;
  readonly error: unknown;
  /** After the kill of a hung agent: whether what it ran is known to be gone. */
  readonly killed?: boolean | undefined;
  /** Of the awaited call's command, as far as it has arrived. */
  readonly output?: Output | undefined;
}

/** Code of the error of a link whose connection was cut, so that its agent may still run. */
export const AGENT_ABANDONED = 'ERR_AGENT_ABANDONED';

/** A connection was opened or closed, or its agent warned about something of no batch; becomes an event. */
export interface LinkReport {
  readonly state: 'open' | 'closed' | 'warning';
  readonly key: string;
  /** The drone that the connection was opened for; others may share it. */
  readonly hostname: string;
  readonly message?: string | undefined;
  readonly agentPid?: number | undefined;
  readonly nodeVersion?: string | undefined;
  readonly tookMs?: number | undefined;
  readonly error?: unknown;
}

/** What every transport needs to reach an endpoint; each adds its own fields. Travels as a codec value. */
export interface EndpointSpec {
  /** `local`, `ssh`, or the URL of a module that exports `transport`. */
  readonly transport: string;
  /** Canonical name of the endpoint: those with the same key share one warm connection. Holds no secret. */
  readonly key: string;
  /** For messages. */
  readonly hostname: string;
  /**
   * Endpoints of one route are served by one thread, which shares their connections and paces them together. Default:
   * the key.
   */
  readonly route?: string | undefined;
  /**
   * Open files that a connection takes in this process, and the key of the endpoint that shares them. Default: none.
   */
  readonly openFiles?: { readonly count: number; readonly of: string } | undefined;
  /** URL (`file:` or `data:`) of the user's utility module. */
  readonly utility?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Overrides the queue's, ms; Infinity for none. */
  readonly connectTimeoutMs?: number | undefined;
  /** Overrides the queue's, for its agent and for the connection under that. */
  readonly keepaliveIntervalMs?: number | undefined;
  readonly keepaliveCount?: number | undefined;
}

/** Settings of a worker thread, sent once. Times in ms, Infinity for no limit. */
export interface ThreadSettings {
  readonly connectTimeoutMs: number;
  readonly killGraceMs: number;
  readonly linkSilenceMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCount: number;
  /** Connections that may be opening at once. */
  readonly maxConnecting: number;
  /** The same for one server. */
  readonly maxConnectingPerAddress: number;
  /** An idle connection is closed after this, ms. */
  readonly maxIdleMs: number;
  /** Idle connections before the longest idle one is closed. */
  readonly maxWarm: number;
}

/** A worker thread's question to a function of the caller's, such as for a passphrase. */
export interface Question {
  /** Names the function: the endpoint or hop that was given it. */
  readonly key: string;
  /** The transport's own; plain data. */
  readonly about: unknown;
  /** Questions with the same name share one answer in a queue. */
  readonly sharedAs?: string | undefined;
  /** With `sharedAs`: number of the answer that did not fit. */
  readonly wrong?: number | undefined;
}

export interface Answer {
  /** Counts the answers to a shared question. */
  readonly number: number;
  readonly value?: unknown;
  /** In place of a value: what it threw. */
  readonly thrown?: { readonly error: unknown } | undefined;
}

export interface RelayOpening {
  readonly key: string;
  readonly marker: string;
}

/** A Call frame's payload. `args` are bytes of a codec value (a list); the rest is for the worker thread and the agent. */
export interface CallHead {
  /** The controller wants Output frames while it runs. */
  readonly streams: boolean;
  /** A kill ahead of the drone's batch: its failure is a warning and does not end the batch. */
  readonly isKill: boolean;
  /** The caller follows the progress of a transfer: its sender adds up the files of a directory first. */
  readonly wantsTotal: boolean;
  /** From its turn until its answer, ms; the worker thread keeps this clock. */
  readonly timeoutMs: number;
  readonly method: string;
  /** Empty for none. */
  readonly utility: string;
  readonly args: Uint8Array;
}

const STREAMS = 1;
const IS_KILL = 2;
const WANTS_TOTAL = 4;
/** Call payload: u8 flags | f64le time-out | u16le method bytes | u16le utility bytes | method | utility | args. */
const CALL_HEAD_BYTES = 13;
const TIMEOUT_AT = 1;

const text = new TextDecoder();

/** Writes a Call frame. */
export function writeCall(writer: FrameWriter, batch: number, index: number, call: CallHead): void {
  const method = bytesOfName(call.method);
  const utility = bytesOfName(call.utility);
  writer.begin(FrameType.Call, batch, index);
  writer.u8((call.streams ? STREAMS : 0) | (call.isKill ? IS_KILL : 0) | (call.wantsTotal ? WANTS_TOTAL : 0));
  writer.f64(call.timeoutMs);
  writer.u16(method.byteLength);
  writer.u16(utility.byteLength);
  writer.bytes(method);
  writer.bytes(utility);
  writer.bytes(call.args);
  writer.end();
}

/** `args` is a view into `payload`. */
export function decodeCall(payload: Uint8Array): CallHead {
  const flags = readU8(payload, 0);
  const methodEnd = CALL_HEAD_BYTES + readU16(payload, 9);
  const utilityEnd = methodEnd + readU16(payload, 11);
  return {
    streams: (flags & STREAMS) !== 0,
    isKill: (flags & IS_KILL) !== 0,
    wantsTotal: (flags & WANTS_TOTAL) !== 0,
    timeoutMs: readF64(payload, TIMEOUT_AT),
    method: text.decode(payload.subarray(CALL_HEAD_BYTES, methodEnd)),
    utility: utilityEnd === methodEnd ? '' : text.decode(payload.subarray(methodEnd, utilityEnd)),
    args: payload.subarray(utilityEnd),
  };
}

/** The timeout of the Call frame at `at`, which is all that the worker thread needs of it. */
export function callTimeoutAt(frames: Uint8Array, at: number): number {
  return readF64(frames, at + HEADER_BYTES + TIMEOUT_AT);
}

/** Payload of a Batch frame: the endpoint's key, to find a warm link, then its spec as a codec value, to open one. */
export function encodeBatchHead(key: string, spec: Uint8Array): Uint8Array {
  const keyBytes = new TextEncoder().encode(key);
  const head = new Uint8Array(2 + keyBytes.byteLength + spec.byteLength);
  new DataView(head.buffer).setUint16(0, keyBytes.byteLength, true);
  head.set(keyBytes, 2);
  head.set(spec, 2 + keyBytes.byteLength);
  return head;
}

export function decodeBatchHead(payload: Uint8Array): { key: string; spec: Uint8Array } {
  const keyEnd = 2 + readU16(payload, 0);
  return { key: text.decode(payload.subarray(2, keyEnd)), spec: payload.subarray(keyEnd) };
}

/** Names repeat: encoded once, up to a bound. */
const MAX_NAMES = 1000;
const encodedNames = new Map<string, Uint8Array>();

function bytesOfName(name: string): Uint8Array {
  let bytes = encodedNames.get(name);
  if (bytes === undefined) {
    bytes = new TextEncoder().encode(name);
    if (encodedNames.size < MAX_NAMES) encodedNames.set(name, bytes);
  }
  return bytes;
}
