/** A link to a master that is a function of the test, and what a client tells while it talks to it. */
import {
  type FarmTables,
  type HeartbeatExchange,
  type HeartbeatPacket,
  type HeartbeatReply,
  type MasterLink,
  type ShardMaster,
} from 'drone-task-queue/shard';
import type { Log, StatsClient } from 'drone-task-queue/store';
import { emptyReply } from './fake-master.js';
import { overTheWire } from './farm.js';

type Answer = (
  packet: HeartbeatPacket,
  signal: AbortSignal,
) => Partial<HeartbeatReply> | Promise<Partial<HeartbeatReply>>;

export class ScriptedLink implements MasterLink {
  readonly packets: HeartbeatPacket[] = [];
  /** What the master says from now on. What it throws is the link's failure. */
  answer: Answer;

  constructor(answer: Answer = () => ({})) {
    this.answer = answer;
  }

  /** Of the last heartbeat. */
  get packet(): HeartbeatPacket {
    const last = this.packets.at(-1);
    if (last === undefined) throw new Error('no heartbeat yet');
    return last;
  }

  async heartbeat(packet: HeartbeatPacket, signal: AbortSignal): Promise<HeartbeatExchange> {
    this.packets.push(overTheWire(packet));
    const reply = overTheWire({ ...emptyReply, ...(await this.answer(overTheWire(packet), signal)) });
    return { reply, requestBytes: JSON.stringify(packet).length, responseBytes: JSON.stringify(reply).length };
  }
}

export function linkTo(master: ShardMaster<FarmTables>): ScriptedLink {
  return new ScriptedLink(packet => master.heartbeat(packet.shardHostname, packet));
}

/** Says yes to all that is uploaded. */
export function acknowledgeAll(packet: HeartbeatPacket): Partial<HeartbeatReply> {
  return { acknowledgedJobIds: idsOf(packet.jobs) };
}

export function idsOf(records: readonly unknown[]): number[] {
  return records.map(record => (record as { id: number }).id);
}

/** Log and metrics, kept. */
export class Told {
  readonly lines: string[] = [];
  readonly details: string[] = [];
  readonly counters = new Map<string, number>();
  readonly gauges = new Map<string, number>();
  readonly timings = new Set<string>();

  readonly log: Log = {
    debug: message => this.details.push(message),
    info: message => this.lines.push(`info ${message}`),
    warn: message => this.lines.push(`warn ${message}`),
    error: message => this.lines.push(`error ${message}`),
  };

  readonly stats: StatsClient = {
    increment: (name, value = 1) => this.counters.set(name, (this.counters.get(name) ?? 0) + value),
    gauge: (name, value) => this.gauges.set(name, value),
    timing: name => this.timings.add(name),
  };
}
