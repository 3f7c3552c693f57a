/**
 * The one language of both boundaries: main thread ⇢ worker thread, and worker thread ⇢ agent on the drone.
 *
 * Everything is a frame (frames.ts): a header with type, batch and index, and a payload.
 *
 * `batch` numbers a drone's batch (unique within a queue), `index` a call in it. The two meet on the worker thread, which
 * checks the agent's frames and passes them on as they are: values stay opaque bytes from the drone to the main thread.
 */
import { type FrameWriter, HEADER_BYTES, readF64, readU16, readU8 } from './frames.js';

/** Sent in the agent's Ready frame; both sides come from one package, so a mismatch means someone else is talking. */
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

/** Index of a Cancel frame that ends the batch at whatever call it is: the running one is ended, no later one starts. */
export const EVERY_CALL = 0xffff_ffff;

/** Index of a Cancel frame from the main thread that ends the batch if nothing of it was sent to the drone yet. */
export const UNLESS_SENT = 0xffff_fffe;

/**
 * Where a drone's batch stands: `waiting` for its turn to connect, `connect` (TCP or process start), `handshake` and
 * `auth` (SSH), `bootstrap` (agent start), `call` (sent, until its last answer). `reply` is reserved, and not in use.
 */
export type Phase = 'waiting' | 'connect' | 'handshake' | 'auth' | 'bootstrap' | 'call' | 'reply';

/** The index in this list travels in Phase frames. */
export const PHASES: readonly Phase[] = ['waiting', 'connect', 'handshake', 'auth', 'bootstrap', 'call', 'reply'];

/** First frame to a new agent. */
export interface AgentConfig {
  /** Added to the agent's own environment, and so to that of every command. Not in argv, where `ps` would show it. */
  readonly env: Readonly<Record<string, string>>;
  /** From TERM to KILL, ms, when a call is cancelled. */
  readonly killGraceMs: number;
  /** The agent ends itself after hearing nothing for so long, ms; Infinity for never. */
  readonly linkSilenceMs: number;
}

/** A user's own utility methods, on the way to the agent. */
export interface UtilityModule {
  /** What calls name it by, see utilityIdOf. The agent never fetches it. */
  readonly id: string;
  /** Text of the self-contained ES module. */
  readonly source: string;
}

/** What the agent says once it takes calls. */
export interface ReadyReport {
  readonly protocol: number;
  /** Absent, as is the version, where a transport plays the agent for a drone that has no Node. */
  readonly pid?: number | undefined;
  readonly nodeVersion?: string | undefined;
}

/** Why a call did not return. */
export interface FailedReport {
  /** `call`: it threw; `cancelled`: ended by a Cancel frame; `lost`: what it ran in died for another call's sake. */
  readonly kind: 'call' | 'not-cloneable' | 'cancelled' | 'lost';
  /** What was thrown, an Error or not. */
  readonly error: unknown;
  /** With `cancelled`: whether the call's processes are known to be gone. */
  readonly killed?: boolean | undefined;
  /** With `cancelled`: what a running command had written so far. */
  readonly output?: { readonly stdout: string; readonly stderr: string } | undefined;
}

/** How much of a transfer is in its place. */
export interface TransferCounts {
  readonly bytes: number;
  readonly files: number;
  readonly folders: number;
  readonly links: number;
}

/** What one side of a transfer tells the other when its own part is over. */
export interface TransferReport {
  /** Why it failed, unless the other side has said so before. */
  readonly error?: unknown;
  /** The call was cancelled, which is no failure to leave a note about. */
  readonly isCancelled?: boolean | undefined;
  /** From the receiver. */
  readonly counts?: TransferCounts | undefined;
  /** From the sender: paths of what is neither file nor folder nor link. */
  readonly leftOut?: readonly string[] | undefined;
  /** What the drone's warnings should say. */
  readonly warning?: string | undefined;
}

/** Failures that the worker thread finds: those of the way to the agent. */
export type DownKind =
  'unreachable' | 'auth' | 'host-key' | 'bootstrap' | 'timeout' | 'cancelled' | 'lost' | 'protocol' | 'not-cloneable';

/** Why a drone's batch ended without the agent saying so. */
export interface DownReport {
  readonly kind: DownKind;
  readonly phase: Phase;
  readonly error: unknown;
  /** With an agent that was killed for not answering: whether what it ran is known to be gone. */
  readonly killed?: boolean | undefined;
}

/** Code of what a link ended with whose connection was cut, so that nobody knows whether its agent has ended. */
export const AGENT_ABANDONED = 'ERR_AGENT_ABANDONED';

/** A connection came or went, or its agent said something that belongs to no batch; becomes an event. */
export interface LinkReport {
  readonly state: 'open' | 'closed' | 'warning';
  readonly key: string;
  /** Of the drone that the connection was opened for; others may share it. */
  readonly hostname: string;
  readonly message?: string | undefined;
  readonly agentPid?: number | undefined;
  readonly nodeVersion?: string | undefined;
  readonly tookMs?: number | undefined;
  readonly error?: unknown;
}

/** What every transport needs to reach an endpoint; each transport adds its own fields. Travels as a codec value. */
export interface EndpointSpec {
  /** `local`, `ssh`, or the URL of a module that exports `transport`. */
  readonly transport: string;
  /** Canonical name of the endpoint: what has the same key shares one warm connection. Holds no secret. */
  readonly key: string;
  /** As the drone names itself, for messages. */
  readonly hostname: string;
  /**
   * Where the way begins: endpoints of one route are served by one thread, which shares what they have in common and
   * keeps a measure for all of them. Default: the key.
   */
  readonly route?: string | undefined;
  /** Open files that a connection takes in this process, and the key of whom it shares them with. Default: none. */
  readonly openFiles?: { readonly count: number; readonly of: string } | undefined;
  /** URL (`file:` or `data:`) of the user's own utility module. */
  readonly utility?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** In place of the queue's own, ms; Infinity for none. */
  readonly connectTimeoutMs?: number | undefined;
}

/** What a worker thread is told once, when it starts. All times in ms; Infinity where a limit is off. */
export interface ThreadSettings {
  readonly connectTimeoutMs: number;
  readonly killGraceMs: number;
  readonly linkSilenceMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCount: number;
  /** Connections being opened at once. */
  readonly maxConnecting: number;
  /** Of these to one server. */
  readonly maxConnectingPerAddress: number;
  /** A connection without work is ended after so long, ms. */
  readonly maxIdleMs: number;
  /** Connections without work, before the one that has been so for longest is ended. */
  readonly maxWarm: number;
}

/** What a worker thread asks a function of the caller's, such as one that knows a passphrase. */
export interface Question {
  /** Names the function: the endpoint, or a hop on the way to it, that was given one. */
  readonly key: string;
  /** The transport's own; plain data. */
  readonly about: unknown;
  /** Questions with the same name have one answer in a queue. */
  readonly sharedAs?: string | undefined;
  /** With `sharedAs`: number of the answer that was no good. */
  readonly wrong?: number | undefined;
}

/** What the function gave. */
export interface Answer {
  /** Tells one answer to a shared question from the next. */
  readonly number: number;
  readonly value?: unknown;
  /** In place of a value: what it threw. */
  readonly thrown?: { readonly error: unknown } | undefined;
}

/** What a relayed channel is opened with. */
export interface RelayOpening {
  readonly key: string;
  readonly marker: string;
}

/** A Call frame's payload, taken apart. `args` are bytes of a codec value (a list); the rest is for those on the way. */
export interface CallHead {
  /** The controller wants Output frames while it runs. */
  readonly streams: boolean;
  /** Kills queued on the drone, in front of its batch: a failure of them is a warning and does not end the batch. */
  readonly isKill: boolean;
  /** From the moment it may start until it must have answered, ms; the worker thread keeps this clock. */
  readonly timeoutMs: number;
  readonly method: string;
  /** Id of the user's utility module, empty for none. */
  readonly utility: string;
  readonly args: Uint8Array;
}

const STREAMS = 1;
const IS_KILL = 2;
/** Call payload: u8 flags | f64le time-out | u16le method bytes | u16le utility bytes | method | utility | args. */
const CALL_HEAD_BYTES = 13;
const TIMEOUT_AT = 1;

const text = new TextDecoder();

/** Writes a Call frame. */
export function writeCall(writer: FrameWriter, batch: number, index: number, call: CallHead): void {
  const method = bytesOfName(call.method);
  const utility = bytesOfName(call.utility);
  writer.begin(FrameType.Call, batch, index);
  writer.u8((call.streams ? STREAMS : 0) | (call.isKill ? IS_KILL : 0));
  writer.f64(call.timeoutMs);
  writer.u16(method.byteLength);
  writer.u16(utility.byteLength);
  writer.bytes(method);
  writer.bytes(utility);
  writer.bytes(call.args);
  writer.end();
}

/** Takes a Call frame's payload apart; `args` is a view into it. */
export function decodeCall(payload: Uint8Array): CallHead {
  const flags = readU8(payload, 0);
  const methodEnd = CALL_HEAD_BYTES + readU16(payload, 9);
  const utilityEnd = methodEnd + readU16(payload, 11);
  return {
    streams: (flags & STREAMS) !== 0,
    isKill: (flags & IS_KILL) !== 0,
    timeoutMs: readF64(payload, TIMEOUT_AT),
    method: text.decode(payload.subarray(CALL_HEAD_BYTES, methodEnd)),
    utility: utilityEnd === methodEnd ? '' : text.decode(payload.subarray(methodEnd, utilityEnd)),
    args: payload.subarray(utilityEnd),
  };
}

/** The time-out of the Call frame that starts at `at`; the worker thread needs nothing else of it. */
export function callTimeoutAt(frames: Uint8Array, at: number): number {
  return readF64(frames, at + HEADER_BYTES + TIMEOUT_AT);
}

/** Payload of a Batch frame: the endpoint's key in clear, to find a warm link by, then its spec as a codec value, to make one. */
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

/** Names come again and again: encoded once, up to a bound. */
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
