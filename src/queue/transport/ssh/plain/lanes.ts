/**
 * Runs commands over one connection: short ones in lanes, the others each on an exec channel of its own. The first command
 * never pays for a lane, since many connections run no second one.
 */
import type { ClientChannel } from 'ssh2';
import { raceAbort } from '../../../../wait/abort.js';
import { Command, type CommandOutput, type Running } from './command.js';
import type { ExecSlots } from './exec-slots.js';
import { Lane, type LaneOptions } from './lane.js';
import { callText, LANE_COMMAND } from './lane-text.js';
import type { Server } from './server.js';
import { execText, type ShellCommand } from './shell-text.js';

/** A command and what becomes of its streams. */
export interface Order {
  readonly command: ShellCommand;
  readonly output: CommandOutput;
  /** What it reads. Without, and without `feed`, stdin is /dev/null. */
  readonly input?: string | Uint8Array | undefined;
  /** Writes on, once more is known, and ends stdin. Such a command runs in no lane. */
  readonly feed?: ((command: Command) => void) | undefined;
}

export interface LanesOptions extends Pick<LaneOptions, 'keeper'> {
  readonly server: Server;
  readonly slots: ExecSlots;
  readonly settings: () => Pick<LaneOptions, 'killGraceMs' | 'linkSilenceMs'>;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly #lanes = new Set<Lane>();
  readonly #idle: Lane[] = [];
  readonly #leaving = new Set<Promise<void>>();
  #isFirst = true;
  #isRefused = false;

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /**
   * Starts a command when there is room for it. Undefined when `signal` was aborted before; the command does not run then.
   * `onRequest` is called before anything may start it.
   */
  async start(order: Order, signal: AbortSignal, onRequest: () => void): Promise<Running | undefined> {
    const { command, input, feed, output } = order;
    const text = this.#isFirst || this.#isRefused || feed !== undefined ? undefined : callText(command, input);
    this.#isFirst = false;
    if (text !== undefined && !signal.aborted) {
      const lane = this.#idle.pop();
      if (lane !== undefined) {
        onRequest();
        return lane.run(text, output);
      }
      const { running, isRefused } = await this.#startInNew(text, output, signal, onRequest);
      if (!isRefused) return running;
      this.#isRefused = true;
    }
    return this.#startAlone(order, signal, onRequest);
  }

  /** Makes room for a command that needs a channel. */
  makeRoom(): void {
    this.#idle.pop()?.leave();
  }

  ping(): void {
    for (const lane of this.#lanes) lane.ping();
  }

  /** Once no command runs. Resolves when what commands have left behind has another reader. */
  async close(): Promise<void> {
    for (const lane of [...this.#idle]) lane.leave();
    await Promise.all(this.#leaving);
  }

  async #startInNew(
    text: Uint8Array,
    output: CommandOutput,
    signal: AbortSignal,
    onRequest: () => void,
  ): Promise<{ readonly running?: Running | undefined; readonly isRefused?: boolean }> {
    const { slots, keeper, settings } = this.#options;
    const listen = (channel: ClientChannel): Lane =>
      new Lane(channel, { ...settings(), keeper, free: this.#free, gone: this.#forget });
    const lane = await slots.start({ command: LANE_COMMAND }, listen, signal);
    if (lane === undefined) return {};
    this.#lanes.add(lane);
    onRequest();
    const running = lane.run(text, output);
    const isReady = await raceAbort(signal, lane.ready).catch(() => true); // aborted: what runs is ended next
    return isReady ? { running } : { isRefused: true };
  }

  async #startAlone(order: Order, signal: AbortSignal, onRequest: () => void): Promise<Running | undefined> {
    const { server, slots } = this.#options;
    const { command, input, feed, output } = order;
    const text = execText({ ...command, hasStdin: input !== undefined || feed !== undefined });
    const listen = (channel: ClientChannel): Command => new Command(server, channel, text, output);
    const running = await slots.start(text, listen, signal, onRequest);
    if (feed === undefined) running?.endInput(input);
    else if (running !== undefined) {
      if (input !== undefined) void running.write(input);
      feed(running);
    }
    return running;
  }

  readonly #free = (lane: Lane): void => {
    if (this.#options.slots.isCrowded) lane.leave();
    else this.#idle.push(lane);
  };

  readonly #forget = (lane: Lane): void => {
    if (!this.#lanes.delete(lane)) return;
    const left = lane.closed.finally(() => this.#leaving.delete(left));
    this.#leaving.add(left);
    const at = this.#idle.indexOf(lane);
    if (at >= 0) this.#idle.splice(at, 1);
  };
}
