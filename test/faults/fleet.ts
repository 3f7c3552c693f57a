/** What nearly every row needs: healthy drones, over real SSH and on this machine, and one thread that all drones share. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  type AnyDrone,
  type DroneError,
  type DroneResults,
  events,
  LocalDrone,
  type RoundOutcome,
  SshDrone,
  type SshDroneOptions,
  ThreadedTaskQueue,
  type ThreadedTaskQueueOptions,
} from 'drone-task-queue';
import { failureOf } from '../contract/rejections.js';
import { type Sshd, startSshd } from '../support/sshd.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import type { FaultWatch } from './fault.js';
import { Others } from './others.js';

/** For what is to go well however busy the machine is, ms. */
const AMPLE_MS = 60_000;
/** Of drones at fault, where their test says nothing else: the default. */
export const CONNECT_MS = 10_000;
const ADDRESSES = 6;
/** Which address a drone at fault has. */
const AT_FAULT = 3;
/** How often a drone that has been mended may fail again by its own short limits, on a busy machine. */
const MOST_ROUNDS = 5;

export class Fleet implements AsyncDisposable {
  /** Serves the healthy drones, and those at fault whose server is not to blame. */
  readonly sshd: Sshd;
  readonly queue: ThreadedTaskQueue;
  readonly others: Others;

  private constructor(sshd: Sshd, options: ThreadedTaskQueueOptions) {
    this.sshd = sshd;
    this.queue = new ThreadedTaskQueue({ threads: 1, connectTimeoutMs: AMPLE_MS, killGraceMs: 300, ...options });
    this.others = new Others([
      new SshDrone('other1', { ...optionsAt(sshd, 1), connectTimeoutMs: AMPLE_MS }),
      new SshDrone('other2', { ...optionsAt(sshd, 2), connectTimeoutMs: AMPLE_MS }),
      // Its agent is its own: drones of one endpoint share theirs.
      new LocalDrone({ env: { DRONE: 'other3' } }),
    ]);
  }

  /** With warm connections to the healthy drones. */
  static async start(options: ThreadedTaskQueueOptions = {}): Promise<Fleet> {
    const fleet = new Fleet(await startSshd({}, ADDRESSES), options);
    try {
      await fleet.others.warm(fleet.queue);
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** For a drone on the healthy server, at an address that no other has. */
  droneOptions(): SshDroneOptions {
    return optionsAt(this.sshd, AT_FAULT);
  }

  /** In front of a server, the healthy one by default. */
  proxy(sshd = this.sshd): Promise<TcpProxy> {
    return startTcpProxy({ host: sshd.addresses[AT_FAULT] ?? '', port: sshd.port });
  }

  /** For a drone on the server behind a proxy. */
  async behind(proxy: TcpProxy, sshd = this.sshd): Promise<SshDroneOptions> {
    const knownHosts = `${sshd.knownHosts}_${String(proxy.port)}`;
    const lines = await readFile(sshd.knownHosts, 'utf8');
    await writeFile(knownHosts, lines.replaceAll(/^\S+/gm, `[127.0.0.1]:${String(proxy.port)}`));
    return { ...optionsAt(sshd, AT_FAULT), host: '127.0.0.1', port: proxy.port, knownHosts };
  }

  /**
   * A round in which only this drone fails. `inject` makes the fault happen during a round; the caller waits from then on,
   * until the drone's failure is reported.
   */
  async fails(drone: AnyDrone, { inTime }: FaultWatch, inject?: () => unknown): Promise<DroneError> {
    this.others.queueCalls();
    const told = firstException();
    const round = this.queue.settle(this.#among(drone));
    await Promise.race([inject?.(), round]);
    await inTime(Promise.race([told, round]));
    return this.#endOf(round, drone);
  }

  /** A round in which all goes well. */
  async succeeds(drone: AnyDrone, inject?: () => unknown): Promise<DroneResults> {
    this.others.queueCalls();
    const round = this.queue.execute(this.#among(drone));
    await Promise.race([inject?.(), round]);
    const results = await round;
    this.others.assertFine(results);
    assert.ok(results.has(drone));
    return results;
  }

  /** Rounds of this drone alone, until it is well: it has been mended. */
  async recovers(drone: AnyDrone): Promise<DroneResults> {
    for (let round = 1; ; round++) {
      const { results, failures } = await this.queue.settle([drone]);
      if (results.has(drone)) return results;
      if (round === MOST_ROUNDS) throw failureOf({ failures }, drone);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.queue.close();
    await this.sshd.stop();
  }

  /** In the middle, so that nothing depends on being first or last. */
  #among(drone: AnyDrone): AnyDrone[] {
    const [first, ...rest] = this.others.drones;
    return [...(first ? [first] : []), drone, ...rest];
  }

  async #endOf(round: Promise<RoundOutcome>, drone: AnyDrone): Promise<DroneError> {
    const { results, failures } = await round;
    this.others.assertFine(results);
    assert.deepEqual([...failures.keys()].map(String), [drone].map(String));
    return failureOf({ failures }, drone);
  }
}

/** For a drone at one of a server's addresses. */
export function optionsAt(sshd: Sshd, at: number): SshDroneOptions {
  return { ...sshd.droneOptions(sshd.addresses[at]), connectTimeoutMs: CONNECT_MS };
}

/** Resolves when a drone's failure is reported. */
function firstException(): Promise<void> {
  return new Promise(resolve => {
    const tell = (): void => {
      unsubscribe(events.workerException, tell);
      resolve();
    };
    subscribe(events.workerException, tell);
  });
}
