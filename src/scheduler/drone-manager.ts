/**
 * Stands between a scheduler and its drones: which can take work, what runs where, and what became of it.
 *
 * One task queue runs everything, because warm connections belong to a queue. Its rounds run in turn; `executeActions` also
 * waits for a refresh in flight. `syncRefresh` or the next `triggerRefresh` applies what the refresh found, except for
 * pidfiles whose state has changed since it was asked for.
 */
import type { AnyDrone } from '../queue/drone/drone.js';
import { invalidArgument } from '../option/invalid-argument.js';
import { readOptions } from '../option/option-table.js';
import { outsideSections, refuseInSection } from '../wait/section-guard.js';
import { Semaphore } from '../wait/semaphore.js';
import { withNamedLog } from '../report/log.js';
import { Metrics } from '../report/metrics.js';
import type { TaskQueue } from '../queue/task-queue.js';
import type { ProcessId } from '../queue/wire/methods.js';
import { type ActionReport, Actions } from './actions.js';
import { Capacity, type DroneChoice } from './capacity.js';
import { type ManagedCommandOptions, readCommand } from './command-options.js';
import { errorOf } from './drone-manager-error.js';
import { DroneStates, type StaleDrone } from './drone-states.js';
import type { WORKING_DIRECTORY } from './executions.js';
import type { ManagedDrone } from './managed-drone.js';
import {
  DRONE_MANAGER,
  type DroneManagerOptions,
  MANAGER_ROUND,
  type ManagerRoundOptions,
  PIDFILE_CONTENTS,
} from './manager-options.js';
import type { ManagerParts } from './manager-parts.js';
import type { PidfileContents } from './pidfile-contents.js';
import type { Pidfile, PidfileId, PidfileState } from './pidfile.js';
import { PIDFILE, type PidfileOptions, PROCESS_COUNT } from './pidfile-options.js';
import { absolutePath, checkPidfileId, type OrphanedProcess, Pidfiles } from './pidfiles.js';
import { type RefreshReport, Refreshes } from './refreshes.js';
import { checkDrones, Roster } from './roster.js';

/**
 * Tracks the drones of a scheduler and runs commands on them.
 *
 * ```ts
 * const manager = new DroneManager(queue);
 * await manager.initialize('/srv/results', drones);
 * const loop = new TickLoop(async ({ signal }) => {
 *   await manager.triggerRefresh({ signal }); // does not wait for the answers
 *   await manager.syncRefresh();
 *   for (const job of jobsDue()) {
 *     const options = { workingDirectory: `/srv/results/${job.name}`, pidfileName: 'pid' };
 *     job.pidfile = manager.executeCommand(job.command, options);
 *   }
 *   await manager.executeActions({ signal });
 * });
 * ```
 *
 * A drone's failure is never thrown: it makes the drone stale. Methods refuse before they queue anything: with a
 * TypeError (`ERR_INVALID_ARG`) or a DroneManagerError, whose `code` is the reason. Inside a section of a store that
 * writes, methods that wait for drones refuse with a ContextSwitchError.
 */
export class DroneManager {
  readonly #parts: ManagerParts;
  readonly #roster: Roster;
  readonly #actions: Actions;
  readonly #capacity: Capacity;
  readonly #refreshes: Refreshes;
  /** One method that waits runs at a time. */
  readonly #turns = new Semaphore(1);
  #ending: Promise<void> | undefined;

  /** The caller closes the queue. Throws a TypeError (`ERR_INVALID_ARG`) that names the invalid option. */
  constructor(queue: TaskQueue, options: DroneManagerOptions = {}) {
    if (typeof queue !== 'object' || queue === null || typeof queue.settle !== 'function') {
      throw invalidArgument('queue', queue, 'a task queue');
    }
    const settings = withNamedLog(readOptions(DRONE_MANAGER, options), 'manager');
    const metrics = new Metrics(settings.name, settings.stats, settings.log);
    this.#parts = { queue, settings, metrics, states: new DroneStates(settings), pidfiles: new Pidfiles() };
    this.#roster = new Roster(this.#parts);
    this.#capacity = new Capacity(this.#parts);
    this.#refreshes = new Refreshes(this.#parts, this.#roster.closing);
    this.#actions = new Actions(this.#parts);
  }

  /** All drones, including those that could not be initialized yet. */
  get drones(): readonly ManagedDrone[] {
    return this.#roster.drones;
  }

  /** Drones that may get work: those that are enabled and answered the last refresh. None before the first refresh. */
  get usable(): readonly AnyDrone[] {
    return this.#parts.states.usable;
  }

  /** Drones that get no work because they failed. The manager keeps the last known data about them. */
  get stale(): ReadonlyMap<AnyDrone, StaleDrone> {
    return this.#parts.states.stale;
  }

  /** The registered pidfiles. */
  get pidfiles(): readonly PidfileId[] {
    return [...this.#parts.pidfiles].map(({ id }) => id);
  }

  /**
   * Runs `initialize(resultsDir)` on each drone, beside the calls in its queue. A drone that fails or takes longer than
   * `refreshTimeoutMs` is stale; each refresh retries it. `resultsDir` is an absolute path on every drone.
   *
   * Rejects with a DroneManagerError: `ERR_NO_DRONES` with all `failures` if all drones fail, after which you may call
   * it again; `ERR_INITIALIZED` after it has succeeded.
   */
  async initialize(resultsDir: string, drones: Iterable<ManagedDrone>): Promise<void> {
    const folder = absolutePath('resultsDir', resultsDir);
    const list = checkDrones(drones);
    return this.#inTurn('initialize', () => this.#roster.initialize(folder, list));
  }

  /**
   * Asks all drones for their pidfiles and processes, without waiting for the answers (except on a DroneTaskQueue,
   * which runs a round to its end). Applies an earlier refresh first. A drone whose queue contains other calls is
   * skipped and becomes stale. Rejects only if the queue refuses (DroneTaskQueueException); then nothing is queued.
   */
  async triggerRefresh(options: ManagerRoundOptions = {}): Promise<void> {
    const { signal } = readOptions(MANAGER_ROUND, options);
    await this.#inTurn('triggerRefresh', async () => {
      const resultsDir = this.#roster.requireInitialized();
      await this.#sync();
      await this.#refreshes.start(this.#roster.drones, resultsDir, signal);
    });
  }

  /** Waits for the triggered refresh and applies its findings. */
  async syncRefresh(): Promise<RefreshReport> {
    return this.#inTurn('syncRefresh', () => this.#sync());
  }

  /** `triggerRefresh`, then `syncRefresh`. */
  async refresh(options: ManagerRoundOptions = {}): Promise<RefreshReport> {
    await this.triggerRefresh(options);
    return this.syncRefresh();
  }

  /**
   * Runs the calls that are queued on the drones, then those on a separate results drone, and reports their outcome. A
   * drone that fails becomes stale. Waits for a refresh in flight, which `syncRefresh` applies, and at most
   * `refreshTimeoutMs` for copies from drone to drone, which then continue. Rejects only if the queue refuses the first
   * round (DroneTaskQueueException); then nothing has run.
   */
  async executeActions(options: ManagerRoundOptions = {}): Promise<ActionReport> {
    const { signal } = readOptions(MANAGER_ROUND, options);
    return this.#inTurn('executeActions', async () => {
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
   * Ends a refresh or `initialize` in flight, waits for `executeActions` and sends the last metrics. Commands continue;
   * queued calls stay queued; copies in progress end with the queue, which the caller closes. A second call returns the
   * same promise.
   */
  close(): Promise<void> {
    // Before the promise is kept, or a refusal would be kept too.
    try {
      refuseInSection(this.#titleOf('close'));
    } catch (error) {
      return Promise.reject(errorOf(error));
    }
    this.#ending ??= this.#end();
    return this.#ending;
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Watches a pidfile, even that of a command that another process started. Its state is `unsure` until a refresh has
   * seen it. If the pidfile is already registered, resets its age, and its process count if one is given.
   */
  registerPidfile(id: PidfileId, options: PidfileOptions = {}): void {
    const read = readOptions(PIDFILE, options);
    const wanted = checkPidfileId(id);
    this.#parts.pidfiles.register(wanted, read, this.#roster.named(wanted.hostname));
  }

  /** Forgets a pidfile and withdraws its queued command. Returns true if that command will certainly never start. */
  unregisterPidfile(id: PidfileId): boolean {
    const { pidfiles } = this.#parts;
    const pidfile = pidfiles.get(checkPidfileId(id));
    if (!pidfile) return false;
    pidfiles.delete(pidfile);
    const isWithdrawn = this.#actions.executions.withdraw(pidfile);
    this.#capacity.count(pidfile.drone);
    return isWithdrawn;
  }

  /** Throws a DroneManagerError (`ERR_UNKNOWN_PIDFILE`). */
  declareProcessCount(id: PidfileId, processCount: number): void {
    const pidfile = this.#parts.pidfiles.registered(id);
    pidfile.processCount = PROCESS_COUNT.required.read(processCount, 'processCount');
    this.#capacity.count(pidfile.drone);
  }

  /** The state of the pidfile's command; undefined if the pidfile is not registered. Resets its age. */
  pidfileState(id: PidfileId): PidfileState | undefined {
    return this.#read(id)?.state;
  }

  /**
   * The contents as the last refresh read them, before it looked at the processes or afterwards (`secondRead`).
   * Undefined if the pidfile is not registered, or no refresh has requested it yet. Resets its age.
   */
  pidfileContents(id: PidfileId, options: { secondRead?: boolean | undefined } = {}): PidfileContents | undefined {
    const { secondRead } = readOptions(PIDFILE_CONTENTS, options);
    return this.#read(id)?.contents(secondRead);
  }

  /** The drone of a pidfile; undefined if the pidfile is not registered. */
  droneOf(id: PidfileId): ManagedDrone | undefined {
    return this.#parts.pidfiles.get(checkPidfileId(id))?.drone;
  }

  /** The process of a pidfile, as of the last refresh that its drone answered. */
  isProcessRunning({ hostname, pid }: ProcessId): boolean {
    return this.#parts.states.snapshots.get(hostname)?.process(pid) !== undefined;
  }

  /**
   * The group leaders of commands, started by `executeCommand` of any process, whose pidfile is in `resultsDir` but not
   * registered; as of the last refresh.
   */
  orphanedProcesses(): OrphanedProcess[] {
    const folder = this.#roster.requireInitialized();
    return this.#parts.pidfiles.orphansIn(folder, this.#parts.states.snapshots);
  }

  /**
   * Ends a process and its group with the next `executeActions` for which its drone is not stale, unless a refresh has
   * shown by then that the process is gone or that its pid belongs to another one. Throws a DroneManagerError
   * (`ERR_UNKNOWN_HOST`).
   */
  killProcess(process: ProcessId): void {
    this.#actions.kills.request(this.#roster.named(process.hostname)[0], process);
  }

  /**
   * The least loaded usable drone that has room for this many more processes within its `maxProcesses`; undefined if no
   * drone has room or may be used.
   */
  chooseDrone(processCount: number, choice: DroneChoice = {}): ManagedDrone | undefined {
    return this.#capacity.choose(PROCESS_COUNT.required.read(processCount, 'processCount'), choice);
  }

  /** How many processes the usable drone with the most room can take; 0 if no drone has room or may be used. */
  maxRunnableProcesses(user?: DroneChoice['user'], allowedHostnames?: DroneChoice['allowedHostnames']): number {
    return this.#capacity.mostRoom({ user, allowedHostnames });
  }

  /**
   * Stores contents that are appended to a file before the next command in this working directory starts. Returns the
   * file's path. Throws a DroneManagerError (`ERR_ATTACHED_TWICE`).
   */
  attachFile(workingDirectory: string, name: string, contents: string | Uint8Array): string {
    return this.#actions.executions.attach(absolutePath('workingDirectory', workingDirectory), name, contents);
  }

  /** Discards the attached files of this working directory. Returns whether there were any. */
  detachFiles(workingDirectory: string): boolean {
    return this.#actions.executions.detach(absolutePath('workingDirectory', workingDirectory));
  }

  /**
   * Queues a command on the drone that `chooseDrone` returns and registers its pidfile; `executeActions` starts it, and
   * it then runs independently. In the command, `WORKING_DIRECTORY` stands for the working directory.
   *
   * Throws a DroneManagerError: `ERR_NO_USABLE_DRONE`; `ERR_NO_ROOM` if `processCount` exceeds what is left of
   * `maxProcesses`; `ERR_UNKNOWN_PIDFILE` for `pairedWith`; `ERR_PIDFILE_REGISTERED` until an earlier command's pidfile
   * with the same path is unregistered.
   */
  executeCommand(command: readonly (string | typeof WORKING_DIRECTORY)[], options: ManagedCommandOptions): PidfileId {
    const { spec, processCount, pairedWith, ...choice } = readCommand(command, options);
    this.#roster.requireInitialized();
    const paired = pairedWith && this.#parts.pidfiles.registered(pairedWith).drone;
    const drone = this.#capacity.require(processCount, choice, paired, spec.command.map(String).join(' '));
    const { id } = this.#actions.executions.queue(drone, processCount, spec);
    this.#capacity.count(drone);
    return id;
  }

  /**
   * Queues a copy of a file or a directory from a drone, or from a process's drone, to the results drone. See `putFile`
   * for where it goes. A directory without a slash at the end may take one more tick, because the drone has to find out
   * what it is.
   */
  copyToResultsRepository(from: ManagedDrone | ProcessId, source: string, destination: string): void {
    this.#actions.results.copyFrom(this.#roster.droneIn(from), source, destination);
  }

  /** Queues a copy within one drone, made with `copyFileOrDirectory`. */
  copyResultsOnDrone(on: ManagedDrone | ProcessId, source: string, destination: string): void {
    this.#roster.droneIn(on).queueCall('copyFileOrDirectory', source, destination);
  }

  /** Queues a call that appends lines to a file on the results drone, or on the drone of `pairedWith`. */
  writeLinesToFile(path: string, lines: readonly string[], pairedWith?: PidfileId): void {
    const drone = pairedWith ? this.#parts.pidfiles.registered(pairedWith).drone : this.#actions.results.drone;
    this.#actions.results.writeLines(drone, path, lines);
  }

  async #sync(): Promise<RefreshReport> {
    const report = await this.#refreshes.take();
    this.#capacity.countAll(this.#roster.drones);
    return report;
  }

  #read(id: PidfileId): Pidfile | undefined {
    const pidfile = this.#parts.pidfiles.get(checkPidfileId(id));
    if (pidfile) pidfile.age = 0;
    return pidfile;
  }

  async #end(): Promise<void> {
    this.#roster.close();
    await this.#inTurn('close', () => this.#refreshes.ended());
    await this.#parts.metrics.close();
  }

  /** Runs `work` after that of earlier calls. Rejects at once with a ContextSwitchError inside a section that writes. */
  #inTurn<T>(method: string, work: () => Promise<T>): Promise<T> {
    return outsideSections(this.#titleOf(method), () => this.#turns.run(work));
  }

  #titleOf(method: string): string {
    return `${method} of the drone manager '${this.#parts.settings.name}'`;
  }
}
