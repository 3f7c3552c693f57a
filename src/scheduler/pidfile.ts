/**
 * One registered pidfile, and the command that it stands for.
 *
 * A command is in one of these stations:
 * - queued: its call is in the drone's queue, so it has certainly not started.
 * - unsure: a round has taken the call, and has not ended, or nobody knows what became of it; or the pidfile was registered
 *   by whoever started the command in an earlier life. Only its pidfile can tell, and that may take a while: an agent
 *   whose connection is gone can still get to the call.
 * - started: the drone has said so, or its pidfile was seen.
 *
 * Queued becomes unsure by a round, and that started by what the round has come to or by a refresh. Back to queued leads
 * only a round that has put the call back, as what may have started must not be sent again. Who wants to try again
 * registers anew. A call that threw, and so did not start the command, ends the registration.
 *
 * Each refresh that asked for the pidfile, and could read it, tells what it stands for. What has finished stays so, also
 * when its folder is cleared. `lost` takes a pidfile that said the same before and after the processes were looked at, and a
 * process that was not among them: one that ends by itself writes its status first, so in between it would have been seen.
 * `not-started` takes two refreshes, the second asked for `startGraceMs` after the first, that found neither pidfile nor process:
 * time alone proves nothing, as it goes on while a drone stands still.
 */
import { isGroupLeader, leads } from './leader.js';
import type { ManagedDrone } from './managed-drone.js';
import type { PidfileContents } from './pidfile-contents.js';
import type { DroneProcess, Snapshot } from './snapshot.js';

/** Names a pidfile on a drone: an absolute path. Plain data, to be kept in a database. */
export interface PidfileId {
  readonly hostname: string;
  readonly path: string;
}

/** What is known of the command that a pidfile stands for. */
export type PidfileState =
  /** Its call is in the drone's queue: certainly not started. `executeActions` will send it. */
  | { readonly kind: 'queued' }
  /** It may have started, or start yet. A refresh will tell. */
  | { readonly kind: 'unsure' }
  /** It has not started, and nothing will start it any more: it may be started anew. */
  | { readonly kind: 'not-started' }
  | { readonly kind: 'running'; readonly pid: number }
  /** `failedTests` only from programs that write it. */
  | { readonly kind: 'finished'; readonly pid: number; readonly exitStatus: number; readonly failedTests?: number }
  /**
   * Its process is gone and has left no exit status: it was killed, or its machine has gone down. `survivors` are the
   * members of its process group that live on; `killProcess` with its pid ends them.
   */
  | { readonly kind: 'lost'; readonly pid: number | undefined; readonly survivors: readonly DroneProcess[] }
  | { readonly kind: 'corrupt'; readonly problem: string };

/** Who writes the pidfile, and so how its process is recognized. */
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
  /** Whether it is known to have started. */
  #started = false;
  /** When the first refresh was asked for that has found nothing since the doubt began. */
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

  /** As a refresh has read it, before it looked at the processes or after; undefined when none has yet. */
  contents(secondRead: boolean): PidfileContents | undefined {
    return this.#snapshot?.contents(this.id.path, secondRead);
  }

  /** Whether it may take up room on its drone, now or once its call has been sent. */
  get takesRoom(): boolean {
    const { kind } = this.#state;
    return kind === 'queued' || kind === 'unsure' || kind === 'running';
  }

  /** The drone has said that it runs. */
  hasStarted(pid: number): void {
    this.#started = true;
    this.#state = { kind: 'running', pid };
  }

  mayHaveStarted(): void {
    this.#absentSinceMs = undefined;
    this.#state = { kind: 'unsure' };
  }

  /** Its call is back in the drone's queue, and was certainly not run. */
  isQueuedAgain(): void {
    this.#state = QUEUED;
  }

  /** A refresh has looked for it. Gives the kind of its state if that is another one now. */
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
    // What was written while the processes were looked at may be of a process that was not there yet.
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
    // A leader without pidfile waits for it, and goes when none comes.
    if (leader) return;
    this.#absentSinceMs ??= snapshot.askedAtMs;
    if (snapshot.askedAtMs < this.#absentSinceMs + startGraceMs) return;
    // Somebody has made the empty one, so something has started.
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

/** A pid is given away again only when its group is gone, too: with another process of that pid, nothing has survived. */
function survivorsOf(snapshot: Snapshot, pid: number | undefined): DroneProcess[] {
  if (pid === undefined || snapshot.process(pid)) return [];
  return [...snapshot.processes].filter(({ pgid }) => pgid === pid);
}
