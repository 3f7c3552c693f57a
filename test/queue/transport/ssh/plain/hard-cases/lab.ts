/** One drone on a server, on which one hard case is tried. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CallOptions,
  DroneError,
  DroneTaskQueue,
  type RunOptions,
  type RunResult,
  SshDrone,
  type TaskQueueOptions,
} from 'drone-task-queue';
import { endAll, newMark, noneLeft } from '../../../../../faults/processes.js';
import type { DroneHost, HostOptions } from '../../../../../support/drone-hosts.js';
import { startTcpProxy, type TcpProxy } from '../../../../../support/tcp-proxy.js';
import { until } from '../../../../../support/until.js';

export interface HardCase {
  /** The test's name behind that of the host. */
  readonly name: string;
  /** Takes little time and finds much. */
  readonly isQuick?: boolean;
  readonly queueOptions?: TaskQueueOptions;
  /** Whether it applies to a host; default: to each. */
  readonly where?: (host: HostOptions) => boolean;
  run(lab: Lab): Promise<void>;
  /** What some hosts do otherwise, for now or for good. The first that holds for a host is run in place of `run`. */
  readonly otherwise?: readonly Otherwise[];
}

export interface Otherwise {
  readonly where: (host: HostOptions) => boolean;
  readonly because: string;
  run(lab: Lab): Promise<void>;
}

/** What a command gave, byte by byte. */
export interface Said {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** What of it differs from a command that printed nothing and exited with 0. */
export interface Expected {
  readonly exitCode?: number;
  readonly signal?: string;
  readonly stdout?: string | Uint8Array;
  readonly stderr?: string | Uint8Array | RegExp;
}

/** Beyond what a busy machine takes for anything in here. */
const CALL_TIMEOUT_MS = 120_000;
const KILL_GRACE_MS = 300;

export class Lab implements AsyncDisposable {
  readonly host: DroneHost;
  readonly queue: DroneTaskQueue;
  #drone: SshDrone;
  /** Years for `sleep`: only this case's commands have it in their command lines. */
  readonly mark = newMark();
  readonly #folder: string;
  #isClosed = false;
  #proxy: TcpProxy | undefined;

  constructor(host: DroneHost, options: TaskQueueOptions = {}) {
    this.host = host;
    this.queue = new DroneTaskQueue({ callTimeoutMs: CALL_TIMEOUT_MS, killGraceMs: KILL_GRACE_MS, ...options });
    this.#drone = new SshDrone('web1', host.droneOptions);
    this.#folder = mkdtempSync(join(tmpdir(), 'drone-lab-'));
  }

  get drone(): SshDrone {
    return this.#drone;
  }

  /** Further calls reach the drone through a proxy, which ends with the case. */
  async goThroughProxy(): Promise<TcpProxy> {
    const proxy = await startTcpProxy(this.host.address);
    this.#proxy = proxy;
    this.#drone = new SshDrone('web1', this.host.optionsAt({ host: '127.0.0.1', port: proxy.port }));
    await this.warmUp();
    return proxy;
  }

  /** Whatever stays warm on the drone is there afterwards. */
  async warmUp(): Promise<void> {
    await chmod(this.#folder, 0o777);
    equalSaid(await this.said('echo warm'), { stdout: 'warm\n' });
  }

  /** Path of a file that commands and the test share. Without characters that mean something to a shell. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  async touch(name: string): Promise<void> {
    await writeFile(this.path(name), '');
  }

  untilThere(name: string): Promise<void> {
    return until(() => existsSync(this.path(name)));
  }

  /** Text for sh that waits for a file, which may need seconds where `sleep` knows no fractions. */
  waitFor(name: string): string {
    return `until [ -e ${this.path(name)} ]; do sleep 0.02; done`;
  }

  run(command: string, options: RunOptions = {}, callOptions: CallOptions = {}): Promise<RunResult> {
    return this.queue.call(this.drone.with(callOptions), 'run', command, options);
  }

  /** Every byte of the output. */
  async said(command: string, options: RunOptions = {}): Promise<Said> {
    const chunks: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] };
    const onOutput = (stream: 'stdout' | 'stderr', chunk: Uint8Array): void => {
      chunks[stream].push(chunk);
    };
    const { exitCode, signal, totalBytes } = await this.run(command, options, { onOutput });
    const [stdout, stderr] = [Buffer.concat(chunks.stdout), Buffer.concat(chunks.stderr)];
    assert.deepEqual(totalBytes, { stdout: stdout.byteLength, stderr: stderr.byteLength });
    return { exitCode, signal, stdout, stderr };
  }

  /** Runs a command that the test ends by a signal, which it gives once the command has printed something. */
  async cancelled(command: string, options: RunOptions = {}): Promise<DroneError> {
    const stop = new AbortController();
    const onOutput = (): void => stop.abort();
    const failure = await failureOf(this.run(command, options, { signal: stop.signal, onOutput }));
    assert.equal(failure.kind, 'cancelled', failure.message);
    return failure;
  }

  /** Whatever came before, the next call gives what it should, and nothing else; if there can be one. */
  async checkNext(): Promise<void> {
    if (this.#isClosed) return;
    const token = randomBytes(8).toString('hex');
    equalSaid(await this.said(`/bin/cat; echo ${token}; echo err ${token} >&2; exit 9`), {
      exitCode: 9,
      stdout: `${token}\n`,
      stderr: `err ${token}\n`,
    });
  }

  /** Nothing that ran with the mark is left, or the case fails. */
  async noneLeft(): Promise<void> {
    await noneLeft(this.mark);
  }

  async close(graceMs = 0): Promise<void> {
    this.#isClosed = true;
    await this.queue.close({ graceMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.#proxy?.[Symbol.asyncDispose]();
    endAll(this.mark);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export function equalSaid(said: Said, expected: Expected, what = ''): void {
  const { exitCode, signal, stdout, stderr } = said;
  const ended = { exitCode, signal };
  const shown = `${what}: ${show(stdout)} | ${show(stderr)}`;
  const expectedEnd = {
    exitCode: expected.signal === undefined ? (expected.exitCode ?? 0) : null,
    signal: expected.signal ?? null,
  };
  assert.deepEqual(ended, expectedEnd, `${shown}: ${JSON.stringify(ended)}`);
  equalBytes(stdout, expected.stdout ?? '', `${what}: stdout`);
  if (expected.stderr instanceof RegExp) assert.match(stderr.toString(), expected.stderr, what);
  else equalBytes(stderr, expected.stderr ?? '', `${what}: stderr`);
}

/** Shows where long ones begin to differ. */
export function equalBytes(actual: Uint8Array, expected: string | Uint8Array, what: string): void {
  const wanted = Buffer.from(expected as string);
  if (wanted.equals(actual)) return;
  let at = 0;
  while (at < wanted.byteLength && wanted[at] === actual[at]) at++;
  const sizes = `${String(actual.byteLength)} bytes instead of ${String(wanted.byteLength)}`;
  assert.fail(
    `${what}: ${sizes}; from byte ${String(at)} ${show(actual.subarray(at))} instead of ${show(wanted.subarray(at))}`,
  );
}

function show(bytes: Uint8Array): string {
  return JSON.stringify(Buffer.from(bytes.subarray(0, 200)).toString('latin1'));
}

export async function failureOf(run: Promise<unknown>): Promise<DroneError> {
  const outcome: unknown = await run.catch((error: unknown) => error);
  assert(outcome instanceof DroneError, `it did not fail as a drone does: ${JSON.stringify(outcome)}`);
  return outcome;
}

/**
 * A command that lost what it ran under is reported as lost, or with the result that it gave; never with another one. Returns
 * whether it was lost.
 */
export async function lostOr(run: Promise<Said>, isRight: (said: Said) => void): Promise<boolean> {
  const outcome: unknown = await run.catch((error: unknown) => error);
  if (!(outcome instanceof Error)) {
    isRight(outcome as Said);
    return false;
  }
  assert(outcome instanceof DroneError, outcome);
  assert.equal(outcome.kind, 'lost', outcome.message);
  assert.equal(outcome.mayHaveRun.length, 1);
  assert.deepEqual([outcome.completed.length, outcome.notStarted.length], [0, 0]);
  return true;
}

/** A case that is one command, and what that gives. */
export function gives(
  name: string,
  command: string,
  expected: Expected,
  { options, ...rest }: Partial<HardCase> & { readonly options?: RunOptions } = {},
): HardCase {
  return {
    name,
    ...rest,
    run: async lab => equalSaid(await lab.said(command, options), expected, command.slice(0, 80)),
  };
}
