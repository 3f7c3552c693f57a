/**
 * One registered pidfile and its command. The command is
 * - queued: its call is in the drone's queue, so it has certainly not started;
 * - unsure: a round took the call and has not ended, or its outcome is unknown; or the user registered the pidfile. Only the
 *   pidfile can show its state, perhaps later: an agent without a connection may still reach the call;
 * - started: the drone reported it, or a refresh saw its pidfile.
 *
 * A round turns queued into unsure; its outcome or a refresh turns unsure into started. Only a round that put the call back
 * leads back to queued, as a command that may have started must not be sent again. A call that threw, and so did not start
 * the command, ends the registration.
 *
 * Each refresh that could read the pidfile updates the state. `finished` is final, even when the directory is cleared. `lost`
 * requires that both reads of the pidfile agree and that its process is not among those listed in between: a process that
 * ends by itself writes its status first. `not-started` requires two refreshes, at least `startGraceMs` apart, that found
 * neither pidfile nor process: time alone proves nothing, as it goes on while a drone stands still.
 */
import { isGroupLeader, leads } from './leader.js';
import type { ManagedDrone } from './managed-drone.js';
import type { PidfileContents } from './pidfile-contents.js';
import type { DroneProcess, Snapshot } from './snapshot.js';

/** Identifies a pidfile by its absolute path on a drone. Plain data that can be stored in a database. */
export interface PidfileId {
  readonly hostname: string;
  readonly path: string;
}

/** The state of a pidfile's command. */
export type PidfileState =
  /** Its call is in the drone's queue, so it has certainly not started. `executeActions` sends it. */
  | { readonly kind: 'queued' }
  /** It may have started, or may start yet. A refresh resolves this. */
  | { readonly kind: 'unsure' }
  /** It has not started and never will: you may start it again. */
  | { readonly kind: 'not-started' }
  | { readonly kind: 'running'; readonly pid: number }
  /** `failedTests` only if the program writes it. */
  | { readonly kind: 'finished'; readonly pid: number; readonly exitStatus: number; readonly failedTests?: number }
  /**
   * Its process is gone without an exit status: it was killed, or its machine went down. `survivors` are the members of its
   * process group that still run; `killProcess` with its pid ends them.
   */
  | { readonly kind: 'lost'; readonly pid: number | undefined; readonly survivors: readonly DroneProcess[] }
  | { readonly kind: 'corrupt'; readonly problem: string };

/** The writer of the pidfile, which determines how its process is recognized. */
export type PidfileWriter = 'executeCommand' | 'other';

const QUEUED: PidfileState = { kind: 'queued' };

export class Pidfile {
  readonly id: PidfileId;
  readonly drone: ManagedDrone;
  readonly writtenBy: PidfileWriter;
  processCount: number;
  /** Refreshes since it was last read or registered. */
  age = 0;
  #state: PidfileState;
  #started = false;
  /** Start of the first refresh that found nothing since it became unsure. */
  #absentSinceMs: number | undefined;
  #snapshot: Snapshot | undefined;

  constructor(id: PidfileId, drone: ManagedDrone, processCount: number, writtenBy: PidfileWriter) {
    this.id = id;
    this.drone = drone;
    this.processCount = processCount;
    this.writtenBy = writtenBy;
    this.#state = QUEUED;
  }

  get state(): PidfileState {
    return this.#state;
  }

  /** What the last refresh read, before or after it listed the processes; undefined before the first. */
  contents(secondRead: boolean): PidfileContents | undefined {
    return this.#snapshot?.contents(this.id.path, secondRead);
  }

  /** Whether it takes up room on its drone, now or once its call is sent. */
  get takesRoom(): boolean {
    const { kind } = this.#state;
    return kind === 'queued' || kind === 'unsure' || kind === 'running';
  }

  hasStarted(pid: number): void {
    this.#started = true;
    this.#state = { kind: 'running', pid };
  }

  mayHaveStarted(): void {
    this.#absentSinceMs = undefined;
    this.#state = { kind: 'unsure' };
  }

  /** Its call is back in the drone's queue and certainly has not run. */
  isQueuedAgain(): void {
    this.#state = QUEUED;
  }

  /** Applies a refresh. Returns the kind of its state if that has changed. */
  observe(snapshot: Snapshot, startGraceMs: number): PidfileState['kind'] | undefined {
    const before = this.#state.kind;
    this.#observe(snapshot, startGraceMs);
    return this.#state.kind === before ? undefined : this.#state.kind;
  }

  #observe(snapshot: Snapshot, startGraceMs: number): void {
    this.#snapshot = snapshot;
    if (this.#state.kind === 'queued') return;
    const after = snapshot.contents(this.id.path, true);
    switch (after.kind) {
      case 'unreadable':
        return;
      case 'missing':
      case 'empty':
        this.#observeAbsence(snapshot, startGraceMs, after.kind);
        return;
      case 'corrupt':
      case 'finished':
        this.#state = after;
        break;
      case 'running':
      case 'writing':
        this.#state = this.#stateOf(snapshot, after);
        break;
    }
    this.#started = true;
  }

  #stateOf(snapshot: Snapshot, after: { pid: number; exitStatus?: number }): PidfileState {
    const { pid, exitStatus } = after;
    const process = snapshot.process(pid);
    const runs = process !== undefined && this.#isLedBy(process);
    // A pidfile that changed in between may be that of a process that started after the list was read.
    if (runs || snapshot.changedMeanwhile(this.id.path)) return { kind: 'running', pid };
    if (exitStatus !== undefined) return { kind: 'finished', pid, exitStatus };
    return { kind: 'lost', pid, survivors: survivorsOf(snapshot, pid) };
  }

  #observeAbsence(snapshot: Snapshot, startGraceMs: number, how: 'missing' | 'empty'): void {
    if (this.#state.kind === 'finished') return;
    const leader = this.#findLeader(snapshot);
    if (this.#started) {
      const pid = 'pid' in this.#state ? this.#state.pid : undefined;
      if (leader) this.#state = { kind: 'running', pid: leader.pid };
      else this.#state = { kind: 'lost', pid, survivors: survivorsOf(snapshot, pid) };
      return;
    }
    // A leader without a pidfile waits for it and ends when none comes.
    if (leader) return;
    this.#absentSinceMs ??= snapshot.askedAtMs;
    if (snapshot.askedAtMs < this.#absentSinceMs + startGraceMs) return;
    // Something created the empty one, so it has started.
    this.#state = how === 'missing' ? { kind: 'not-started' } : { kind: 'corrupt', problem: 'it stays empty' };
  }

  #isLedBy(process: DroneProcess): boolean {
    return this.writtenBy === 'other' ? isGroupLeader(process) : leads(process, this.id.path);
  }

  #findLeader(snapshot: Snapshot): DroneProcess | undefined {
    for (const process of snapshot.processes) if (leads(process, this.id.path)) return process;
    return undefined;
  }
}

/** The system reuses a pid only when its group is gone too: if another process has the pid, nothing has survived. */
function survivorsOf(snapshot: Snapshot, pid: number | undefined): DroneProcess[] {
  if (pid === undefined || snapshot.process(pid)) return [];
  return [...snapshot.processes].filter(({ pgid }) => pgid === pid);
}
