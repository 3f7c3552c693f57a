/** A way to the master that loses, doubles and delays what it carries, in each direction. */
import {
  HeartbeatError,
  type HeartbeatExchange,
  type HeartbeatPacket,
  type HeartbeatReply,
  type MasterLink,
} from 'drone-task-queue/shard';
import type { Dice } from '../../soak/dice.js';

/** The master's end: rejects when there is none to be reached. */
export type Answer = (packet: HeartbeatPacket) => Promise<HeartbeatReply>;

const FATES = [
  { fate: 'well', weight: 10 },
  { fate: 'request lost', weight: 1 },
  { fate: 'reply lost', weight: 2 },
  { fate: 'request twice, first reply', weight: 1 },
  { fate: 'request twice, second reply', weight: 1 },
  { fate: 'request late', weight: 1 },
  { fate: 'reply late', weight: 1 },
  { fate: 'reply twice', weight: 1 },
] as const;

export class LossyLink implements MasterLink {
  /** Healed, it carries all, once and in time. */
  isWhole = false;
  readonly lateRequests: HeartbeatPacket[] = [];
  readonly lateReplies: HeartbeatReply[] = [];
  readonly #dice: Dice;
  readonly #answer: Answer;
  /** On both ways, while something is under way. */
  readonly #meanwhile: () => Promise<void>;
  readonly #tell: (what: string) => void;

  constructor(dice: Dice, answer: Answer, meanwhile: () => Promise<void>, tell: (what: string) => void) {
    this.#dice = dice;
    this.#answer = answer;
    this.#meanwhile = meanwhile;
    this.#tell = tell;
  }

  async heartbeat(sent: HeartbeatPacket): Promise<HeartbeatExchange> {
    const packet = overWire(sent);
    const fate = this.isWhole ? 'well' : (this.#dice.weighted(FATES)?.fate ?? 'well');
    if (fate !== 'well') this.#tell(fate);
    await this.#meanwhile();
    if (fate === 'request late') this.lateRequests.push(packet);
    if (fate === 'request late' || fate === 'request lost') throw lost();
    let reply = await this.#ask(packet);
    if (fate === 'request twice, first reply') await this.#ask(packet);
    if (fate === 'request twice, second reply') reply = await this.#ask(packet);
    await this.#meanwhile();
    if (fate === 'reply late' || fate === 'reply twice') this.lateReplies.push(overWire(reply));
    if (fate === 'reply lost' || fate === 'reply late') throw lost();
    return { reply, requestBytes: 0, responseBytes: 0 };
  }

  /** Carries a request that was late; its reply may come as well, later still. */
  async deliver(packet: HeartbeatPacket): Promise<void> {
    const reply = await this.#ask(packet);
    if (this.#dice.chance(0.5)) this.lateReplies.push(reply);
  }

  async #ask(packet: HeartbeatPacket): Promise<HeartbeatReply> {
    return overWire(await this.#answer(overWire(packet)));
  }
}

export function lost(): HeartbeatError {
  return new HeartbeatError('ERR_MASTER_TIMEOUT', 'no answer came in time');
}

function overWire<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
