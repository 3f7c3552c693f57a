/**
 * Finds what a test left behind. Sockets, pipes and threads are read from the operating system, since a leaked warm
 * connection is typically unref'd and so invisible to `process.getActiveResourcesInfo()`, and since what a worker thread
 * opened is only to be seen there. Without /proc (other than Linux) the active resources and timers are all there is.
 */
import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readGone } from './processes-left.js';

/** Long enough for a child's exit, a closing handshake and a few garbage collections on a busy machine. */
const PATIENCE_MS = 10_000;
const POLL_MS = 10;

/** As stacks show it, compiled or not. */
const OWN_FILE = /\/leak-check\.[jt]s:/;

const hasProc = existsSync('/proc/self/stat');

interface TimerOrigin {
  readonly timer: WeakRef<object>;
  readonly origin: Error;
}

/** Timers not yet fired or cleared, by async id; an unref'd interval is found no other way. */
const timers = new Map<number, TimerOrigin>();
const timerHook = createHook({
  init(asyncId, type, _triggerAsyncId, resource) {
    if (type === 'Timeout') timers.set(asyncId, { timer: new WeakRef(resource), origin: new Error() });
  },
  destroy(asyncId) {
    timers.delete(asyncId);
  },
});

/** What is there at one moment, each thing under a name that is unique to it or, numbered, to its kind. */
export type Snapshot = ReadonlySet<string>;

/** Line that set the timer; undefined for one of Node's own (the test runner's) or of this file. */
function placeOf(origin: Error): string | undefined {
  // The first two lines are the message and the hook that made the error.
  const frames = origin.stack?.split('\n').slice(2);
  const frame = frames?.find(line => line.includes('/') && !line.includes('node:'));
  return frame !== undefined && !OWN_FILE.test(frame) ? frame.trim() : undefined;
}

function timerNames(): string[] {
  const names: string[] = [];
  for (const [asyncId, { timer, origin }] of timers) {
    const place = placeOf(origin);
    if (place !== undefined && timer.deref() !== undefined) names.push(`timer ${String(asyncId)} set ${place}`);
  }
  return names;
}

/** Names things that have no identity of their own, so that a second one is new although its kind is known. */
function numbered(kinds: readonly string[]): string[] {
  const counts = new Map<string, number>();
  return kinds.map(kind => {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return `${kind} #${String(count)}`;
  });
}

export function childNames(): string[] {
  const names: string[] = [];
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    const stat = readGone(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
    // The fields follow the executable's name, which is in brackets and may itself hold any character.
    const [state, parent] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
    // A zombie has ended; when the thread that started it has too, nothing reaps it before this process ends.
    if (parent !== String(process.pid) || state === 'Z') continue;
    const args = readGone(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '';
    names.push(`child process ${pid}: ${args.replaceAll('\0', ' ').slice(0, 120).trim()}`);
  }
  return names;
}

export function descriptorNames(): string[] {
  const names: string[] = [];
  const threads: string[] = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    const target = readGone(() => readlinkSync(`/proc/self/fd/${fd}`));
    if (target === undefined) continue;
    if (/^(socket|pipe):/.test(target)) names.push(target);
    // Every thread that runs JavaScript has an event loop, and so one of these.
    if (target === 'anon_inode:[eventpoll]') threads.push('event loop of a thread');
  }
  return [...names, ...numbered(threads)];
}

function resourceNames(): string[] {
  const passing = new Set(['Timeout', 'Immediate', 'TickObject', 'CloseReq']);
  return numbered(process.getActiveResourcesInfo().filter(type => !passing.has(type)));
}

export function takeSnapshot(): Snapshot {
  timerHook.enable();
  return new Set([
    ...resourceNames().map(name => `active ${name}`),
    ...timerNames(),
    ...(hasProc ? [...childNames(), ...descriptorNames()] : []),
  ]);
}

/** What is there now and was not before; empties itself by waiting, at most `patienceMs`. */
export async function leaksSince(before: Snapshot, patienceMs = PATIENCE_MS): Promise<string[]> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const leaks = [...takeSnapshot()].filter(name => !before.has(name));
    if (leaks.length === 0 || performance.now() >= deadline) return leaks;
    await delay(POLL_MS);
  }
}

/** Called at the top of a test file: each of its tests fails that leaves something open which was not when it began. */
export function leakCheck(patienceMs = PATIENCE_MS): void {
  // Opened at first use otherwise, and then taken for the test's.
  for (const stream of [process.stdout, process.stderr]) assert(stream.writable);
  let before: Snapshot = new Set();
  beforeEach(() => {
    before = takeSnapshot();
  });
  afterEach(async () => {
    const leaks = await leaksSince(before, patienceMs);
    if (leaks.length > 0) throw new Error(`the test left behind:\n  ${leaks.join('\n  ')}`);
  });
}
