/**
 * Between a scheduler and its drones: who can take work, what runs where, and what became of it.
 *
 * One task queue does it all, as warm connections belong to a queue. Its rounds follow one another: whoever wants one
 * waits for the turn, `executeActions` also for the refresh that is in flight. What that has found is kept until somebody
 * takes it over, by `syncRefresh` or the next `triggerRefresh`; it is never mixed up with what was started since, as it
 * tells only of pidfiles that stand as they stood when it was asked for.
 */
import type { AnyDrone } from '../queue/drone/drone.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { readOptions } from '../option/option-table.js';
import { withNamedLog } from '../report/log.js';
import { Metrics } from '../report/metrics.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { ProcessId } from '../queue/wire/methods.js';
import { type ActionReport, Actions } from './actions.js';
import { Capacity, type DroneChoice } from './capacity.js';
import { type ManagedCommandOptions, readCommand } from './command-options.js';
import { DroneManagerError, errorOf } from './drone-manager-error.js';
import { DroneStates, type StaleDrone } from './drone-states.js';
import type { WORKING_DIRECTORY } from './executions.js';
import type { ManagedDrone } from './managed-drone.js';
import {
  DRONE_MANAGER,
  type DroneManagerOptions,
  MANAGER_ROUND,
  type ManagerRoundOptions,
  type ManagerSettings,
  PIDFILE_CONTENTS,
} from './manager-options.js';
import type { PidfileContents } from './pidfile-contents.js';
import type { PidfileId, PidfileState } from './pidfile.js';
import { PIDFILE, type PidfileOptions, PROCESS_COUNT } from './pidfile-options.js';
import { absolutePath, checkPidfileId, type OrphanedProcess, Pidfiles } from './pidfiles.js';
import { type RefreshReport, Refreshes } from './refreshes.js';
import { MethodTurns } from './method-turns.js';
import { checkDrones, Roster } from './roster.js';

/**
 * What a scheduler's tick asks of its drones, and orders from them.
 *
 * ```ts
 * const manager = new DroneManager(queue);
 * await manager.initialize('/srv/results', drones);
 * const loop = new TickLoop(async ({ signal }) => {
 *   await manager.triggerRefresh({ signal }); // the drones are asked, and the scheduler goes on
 *   await manager.syncRefresh();
 *   for (const job of jobsDue()) {
 *     const options = { workingDirectory: `/srv/results/${job.name}`, pidfileName: 'pid' };
 *     job.pidfile = manager.executeCommand(job.command, options);
 *   }
 *   await manager.executeActions({ signal });
 * });
 * ```
 *
 * No drone's failure is ever thrown: it makes the drone stale. All that is refused is refused before anything is queued:
 * with TypeError (`ERR_INVALID_ARG`), or DroneManagerError, whose `code` says why; and in a section of a store that writes,
 * whatever waits for drones, with ContextSwitchError.
 */
export class DroneManager {
  readonly #queue: TaskQueue;
  readonly #settings: ManagerSettings;
  readonly #metrics: Metrics;
  readonly #states: DroneStates;
  readonly #roster: Roster;
  readonly #pidfiles = new Pidfiles();
  readonly #actions: Actions;
  readonly #capacity: Capacity;
  readonly #refreshes: Refreshes;
  readonly #turns: MethodTurns;
  #ending: Promise<void> | undefined;

  /** The queue stays yours, also to close. Throws TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(queue: TaskQueue, options: DroneManagerOptions = {}) {
    if (typeof queue !== 'object' || queue === null || typeof queue.settle !== 'function') {
      throw invalidArgument('queue', queue, 'a task queue');
    }
    this.#queue = queue;
    this.#settings = withNamedLog(readOptions(DRONE_MANAGER, options), 'manager');
    const { log, name, stats } = this.#settings;
    this.#metrics = new Metrics(name, stats, log);
    this.#turns = new MethodTurns(`drone manager '${name}'`);
    this.#states = new DroneStates(this.#settings);
    this.#roster = new Roster(this.#states);
    const parts = [this.#settings, this.#metrics, this.#states, this.#pidfiles] as const;
    this.#capacity = new Capacity(...parts);
    this.#refreshes = new Refreshes(queue, ...parts, this.#roster.closing);
    this.#actions = new Actions(queue, ...parts);
  }

  /** All of them, also those that could not be initialized yet. */
  get drones(): readonly ManagedDrone[] {
    return this.#roster.drones;
  }

  /** Those that may be given work: enabled, and the last refresh was answered. None before the first refresh. */
  get usable(): readonly AnyDrone[] {
    return this.#states.usable;
  }

  /** Those that are given none, as they failed. They keep what was last known of them. */
  get stale(): ReadonlyMap<AnyDrone, StaleDrone> {
    return this.#states.stale;
  }

  /** What is registered. */
  get pidfiles(): readonly PidfileId[] {
    return [...this.#pidfiles].map(({ id }) => id);
  }

  /**
   * Runs `initialize(resultsDir)` on each drone, beside its queue: calls that are queued on it stay there. One that fails is
   * stale, and tried again with each refresh; so is one that takes longer than `refreshTimeoutMs`. `resultsDir` is an
   * absolute path on every drone.
   *
   * Rejects with a DroneManagerError: `ERR_NO_DRONES` with all `failures` when none could be initialized, and it may then be
   * called again; `ERR_INITIALIZED` after it has succeeded.
   */
  async initialize(resultsDir: string, drones: Iterable<ManagedDrone>): Promise<void> {
    const folder = absolutePath('resultsDir', resultsDir);
    const list = checkDrones(drones);
    return this.#turns.take('initialize', () => this.#roster.initialize(this.#queue, folder, list, this.#settings));
  }

  /**
   * Asks all drones for their pidfiles and processes, and does not wait for their answers (on a DroneTaskQueue, which runs
   * a round to its end, it does). A drone on which calls of others are queued is left out, and stale. What an earlier
   * refresh has found, and nobody has taken over, is taken over first. Rejects with the queue's refusal only
   * (DroneTaskQueueException), and nothing is queued then.
   */
  async triggerRefresh(options: ManagerRoundOptions = {}): Promise<void> {
    const { signal } = readOptions(MANAGER_ROUND, options);
    await this.#turns.take('triggerRefresh', async () => {
      const resultsDir = this.#roster.requireInitialized();
      await this.#sync();
      await this.#refreshes.start(this.#roster.drones, resultsDir, signal);
    });
  }

  /** Waits for the refresh that was triggered, and takes over what it has found. */
  async syncRefresh(): Promise<RefreshReport> {
    return this.#turns.take('syncRefresh', () => this.#sync());
  }

  /** `triggerRefresh`, then `syncRefresh`. */
  async refresh(options: ManagerRoundOptions = {}): Promise<RefreshReport> {
    await this.triggerRefresh(options);
    return this.syncRefresh();
  }

  /**
   * Runs all that is queued on the drones, then on the results drone where that is another one, and tells what became of
   * it. A drone that failed is stale. Waits for a refresh that is in flight, and leaves what that finds to `syncRefresh`; and
   * for copies from drone to drone, but no longer than `refreshTimeoutMs`: they go on meanwhile. Rejects with the queue's
   * refusal only (DroneTaskQueueException), when nothing has run: it is where it was.
   */
  async executeActions(options: ManagerRoundOptions = {}): Promise<ActionReport> {
    const { signal } = readOptions(MANAGER_ROUND, options);
    return this.#turns.take('executeActions', async () => {
      this.#roster.requireInitialized();
      await this.#refreshes.ended();
      try {
        return await this.#actions.run(this.#roster.drones, signal);
      } finally {
        this.#capacity.countAll(this.#roster.drones);
      }
    });
  }

  /**
   * Ends the refresh or `initialize` that is in flight, waits for `executeActions`, and sends the last metrics. Detached
   * commands live on; what is queued on drones stays there; copies under way end with the queue, which is yours to close.
   * A second call gives the same promise.
   */
  close(): Promise<void> {
    // Before there is a promise to keep, which would reject for ever.
    try {
      this.#turns.refuse('close');
    } catch (error) {
      return Promise.reject(errorOf(error));
    }
    this.#ending ??= this.#end();
    return this.#ending;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Watches a pidfile from now on, whoever started its command. Until a refresh has seen it, its state is `unsure`. Of one
   * that is registered already the age begins anew, and its process count is replaced if one is given.
   */
  registerPidfile(id: PidfileId, options: PidfileOptions = {}): void {
    const read = readOptions(PIDFILE, options);
    const wanted = checkPidfileId(id);
    this.#pidfiles.register(wanted, read, this.#roster.named(wanted.hostname));
  }

  /**
   * Forgets a pidfile. A command that is still queued is withdrawn: true when it is thereby certain that it never starts.
   */
  unregisterPidfile(id: PidfileId): boolean {
    const pidfile = this.#pidfiles.get(checkPidfileId(id));
    if (!pidfile) return false;
    this.#pidfiles.delete(pidfile);
    const isWithdrawn = this.#actions.executions.withdraw(pidfile);
    this.#capacity.count(pidfile.drone);
    return isWithdrawn;
  }

  /** Throws DroneManagerError (`ERR_UNKNOWN_PIDFILE`). */
  declareProcessCount(id: PidfileId, processCount: number): void {
    const pidfile = this.#pidfiles.registered(id);
    pidfile.processCount = PROCESS_COUNT.required.read(processCount, 'processCount');
    this.#capacity.count(pidfile.drone);
  }

  /** What became of its command; undefined when it is not registered. Whoever asks keeps it from being forgotten. */
  pidfileState(id: PidfileId): PidfileState | undefined {
    const pidfile = this.#pidfiles.get(checkPidfileId(id));
    if (pidfile) pidfile.age = 0;
    return pidfile?.state;
  }

  /**
   * What the last refresh has read: before it looked at the processes, or after (`secondRead`). Undefined when it is not
   * registered, or no refresh has asked for it yet. Whoever asks keeps it from being forgotten.
   */
  pidfileContents(id: PidfileId, options: { secondRead?: boolean | undefined } = {}): PidfileContents | undefined {
    const { secondRead } = readOptions(PIDFILE_CONTENTS, options);
    const pidfile = this.#pidfiles.get(checkPidfileId(id));
    if (pidfile) pidfile.age = 0;
    return pidfile?.contents(secondRead);
  }

  /** The drone that it is on; undefined when it is not registered. */
  droneOf(id: PidfileId): ManagedDrone | undefined {
    return this.#pidfiles.get(checkPidfileId(id))?.drone;
  }

  /** As of the last refresh that its drone answered. */
  isProcessRunning({ hostname, pid }: ProcessId): boolean {
    return this.#states.snapshots.get(hostname)?.process(pid) !== undefined;
  }

  /**
   * The leaders of commands that were started by `executeCommand`, of whatever process, with a pidfile somewhere in
   * `resultsDir` that is not registered; as of the last refresh.
   */
  orphanedProcesses(): OrphanedProcess[] {
    const folder = this.#roster.requireInitialized();
    return this.#pidfiles.orphansIn(folder, this.#states.snapshots);
  }

  /**
   * Orders its end, with its process group, of the next `executeActions` for which its drone is not stale; of none when a
   * refresh has meanwhile shown that it is gone, or that its pid is another's. Throws DroneManagerError (`ERR_UNKNOWN_HOST`).
   */
  killProcess(process: ProcessId): void {
    this.#actions.kills.order(this.#roster.named(process.hostname)[0], process);
  }

  /**
   * The least loaded of the usable drones that has room for so many processes more; if none has, the least loaded, with an
   * error in the log; undefined when none may be used.
   */
  chooseDrone(processCount: number, choice: DroneChoice = {}): ManagedDrone | undefined {
    return this.#capacity.choose(PROCESS_COUNT.required.read(processCount, 'processCount'), choice);
  }

  /** How many processes the usable drone with the most room can take; 0 when none may be used. */
  maxRunnableProcesses(user?: DroneChoice['user'], allowedHostnames?: DroneChoice['allowedHostnames']): number {
    return this.#capacity.mostRoom({ user, allowedHostnames });
  }

  /**
   * Keeps a file for the next command that is run in this working directory; it is appended to what is there. Gives its
   * path. Throws DroneManagerError (`ERR_ATTACHED_TWICE`).
   */
  attachFile(workingDirectory: string, name: string, contents: string | Uint8Array): string {
    return this.#actions.executions.attach(absolutePath('workingDirectory', workingDirectory), name, contents);
  }

  /** Forgets the files that are kept for this working directory, where no command is wanted any more: whether there were any. */
  detachFiles(workingDirectory: string): boolean {
    return this.#actions.executions.detach(absolutePath('workingDirectory', workingDirectory));
  }

  /**
   * Orders a command, which lives on by itself, of the drone that `chooseDrone` gives: `executeActions` starts it, and from
   * now on its pidfile is registered. `WORKING_DIRECTORY` in it stands for the working directory.
   *
   * Throws DroneManagerError: `ERR_NO_USABLE_DRONE`; `ERR_UNKNOWN_PIDFILE` for the one of `pairedWith`;
   * `ERR_PIDFILE_REGISTERED` when a command with this pidfile was ordered before and not unregistered.
   */
  executeCommand(command: readonly (string | typeof WORKING_DIRECTORY)[], options: ManagedCommandOptions): PidfileId {
    const { order, processCount, pairedWith, ...choice } = readCommand(command, options);
    this.#roster.requireInitialized();
    const drone = pairedWith
      ? this.#pidfiles.registered(pairedWith).drone
      : this.#capacity.choose(processCount, choice);
    if (!drone) {
      throw new DroneManagerError('ERR_NO_USABLE_DRONE', `no drone may run ${order.command.map(String).join(' ')}`);
    }
    const { id } = this.#actions.executions.queue(drone, processCount, order);
    this.#capacity.count(drone);
    return id;
  }

  /**
   * Queues a copy from a drone, or a process's drone, to the results drone. To the controller, a `source` with a slash at
   * its end is a folder, of which the contents are copied; without, it is a file.
   */
  copyToResultsRepository(from: ManagedDrone | ProcessId, source: string, destination: string): void {
    this.#actions.results.copyFrom(this.#roster.droneIn(from), source, destination);
  }

  /** Queues a copy on one drone, as `copyFileOrDirectory` does it. */
  copyResultsOnDrone(on: ManagedDrone | ProcessId, source: string, destination: string): void {
    this.#roster.droneIn(on).queueCall('copyFileOrDirectory', source, destination);
  }

  /** Queues the appending of lines to a file of the results drone, or of the drone of `pairedWith`. */
  writeLinesToFile(path: string, lines: readonly string[], pairedWith?: PidfileId): void {
    const drone = pairedWith ? this.#pidfiles.registered(pairedWith).drone : this.#actions.results.drone;
    this.#actions.results.writeLines(drone, path, lines);
  }

  async #sync(): Promise<RefreshReport> {
    const report = await this.#refreshes.take();
    this.#capacity.countAll(this.#roster.drones);
    return report;
  }

  async #end(): Promise<void> {
    this.#roster.close();
    await this.#turns.take('close', () => this.#refreshes.ended());
    await this.#metrics.close();
  }
}
