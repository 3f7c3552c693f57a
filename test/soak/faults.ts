/** What can go wrong, and how it is made to. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { DroneError, events, type LinkOpen, type ThreadedTaskQueue } from 'drone-task-queue';
import { FakeDrone, type FakeFault } from 'drone-task-queue/testing';
import type { TcpProxy } from '../support/tcp-proxy.js';
import type { Dice } from './dice.js';
import type { Farm } from './farm.js';
import type { Fault, Injected } from './fault.js';
import { childrenOf, isMarked, signal } from './processes.js';
import { SecondController } from './second-controller.js';
import { QUEUE } from './settings.js';

export interface Faults extends AsyncDisposable {
  readonly list: readonly Fault[];
}

export function makeFaults(farm: Farm, queue: ThreadedTaskQueue): Faults {
  const agents = new AgentPids(farm.marker);
  const second = new SecondController(farm);
  return {
    list: [...networkFaults(farm), ...agentFaults(agents), ...serverFaults(farm), ...threadFaults(queue), second],
    [Symbol.asyncDispose]: async () => {
      agents[Symbol.dispose]();
      await second.end();
    },
  };
}

function networkFaults({ proxies }: Farm): Fault[] {
  const onProxy = (
    name: string,
    weight: number,
    begin: (proxy: TcpProxy, dice: Dice) => Promise<void> | void,
    isLasting: boolean,
  ): Fault => ({
    name,
    weight,
    inject: async dice => {
      const met = dice.pick(proxies);
      if (!met) return undefined;
      await begin(met.proxy, dice);
      if (!isLasting) return { on: met.name };
      return { on: met.name, end: () => met.proxy.restore(), lastsMs: dice.between(500, 8000) };
    },
  });
  return [
    onProxy('connections cut', 4, proxy => proxy.cut(), false),
    onProxy('connections half-open', 3, proxy => proxy.halfOpen(), false),
    onProxy('connections refused', 3, proxy => proxy.refuse(true), true),
    onProxy('network drips', 2, (proxy, dice) => proxy.drip(dice.between(500, 100_000)), true),
    onProxy('network delayed', 2, (proxy, dice) => proxy.delay(dice.between(20, 2500)), true),
    onProxy(
      'cut and refused',
      2,
      async proxy => {
        await proxy.refuse(true);
        proxy.cut();
      },
      true,
    ),
  ];
}

/** Of the queue's agents, as its events tell them. */
class AgentPids implements Disposable {
  readonly #marker: string;
  readonly #pids = new Map<string, number>();

  constructor(marker: string) {
    this.#marker = marker;
    subscribe(events.linkOpen, this.#note);
  }

  readonly #note = (message: unknown): void => {
    const { queue, hostname, agentPid } = message as LinkOpen;
    if (queue === QUEUE.name && hostname !== undefined && agentPid !== undefined) this.#pids.set(hostname, agentPid);
  };

  /** One that is there. */
  pick(dice: Dice): { readonly hostname: string; readonly pid: number } | undefined {
    const [hostname, pid] = dice.pick([...this.#pids]) ?? [];
    return hostname !== undefined && pid !== undefined && isMarked(pid, this.#marker) ? { hostname, pid } : undefined;
  }

  [Symbol.dispose](): void {
    unsubscribe(events.linkOpen, this.#note);
  }
}

function agentFaults(agents: AgentPids): Fault[] {
  const onAgent = (
    name: string,
    weight: number,
    signalName: NodeJS.Signals,
    injected: (pid: number, dice: Dice) => Omit<Injected, 'on'>,
  ): Fault => ({
    name,
    weight,
    inject: dice => {
      const agent = agents.pick(dice);
      if (!agent || !signal(agent.pid, signalName)) return undefined;
      return { on: agent.hostname, ...injected(agent.pid, dice) };
    },
  });
  const goOn = (pid: number) => (): void => {
    signal(pid, 'SIGCONT');
  };
  return [
    onAgent('agent killed', 4, 'SIGKILL', () => ({})),
    onAgent('agent stopped for a while', 3, 'SIGSTOP', (pid, dice) => ({
      end: goOn(pid),
      lastsMs: dice.between(200, 6000),
    })),
    // Left to what kills it; one that was not killed goes on at the storm's end.
    onAgent('agent stopped', 1, 'SIGSTOP', pid => ({ end: goOn(pid) })),
  ];
}

function serverFaults({ sshd }: Farm): Fault[] {
  return [
    {
      name: 'SSH session killed',
      weight: 3,
      inject: async dice => {
        const pid = dice.pick(await childrenOf(sshd.pids));
        return pid !== undefined && signal(pid, 'SIGKILL') ? { on: `session ${String(pid)}` } : undefined;
      },
    },
    {
      name: 'sshd stopped for a while',
      weight: 1,
      inject: dice => {
        const pid = dice.pick(sshd.pids);
        if (pid === undefined) return undefined;
        signal(pid, 'SIGSTOP');
        const end = (): void => {
          signal(pid, 'SIGCONT');
        };
        return { on: `sshd ${String(pid)}`, end, lastsMs: dice.between(300, 4000) };
      },
    },
  ];
}

/** A drone on each thread of which the thread dies. */
function threadFaults(queue: ThreadedTaskQueue): Fault[] {
  const drones = ['a', 'b', 'c', 'd', 'e', 'f'].map(name => new FakeDrone(`breaker-${name}`, { break: () => 0 }));
  const dies = (name: string, weight: number, how: FakeFault): Fault => ({
    name,
    weight,
    inject: dice => {
      const drone = dice.pick(drones);
      if (!drone) return undefined;
      drone.misbehave(how);
      // The call is for nothing but this, and its failure no news.
      queue.call(drone, 'break').catch((error: unknown) => {
        if (!(error instanceof DroneError)) throw error;
      });
      return { on: `the thread of ${drone.hostname}` };
    },
  });
  return [
    dies('thread exits', 0.3, 'thread-exit'),
    dies('thread throws', 0.3, 'thread-throw'),
    dies('thread loops', 0.15, 'thread-loop'),
  ];
}
