/**
 * Kills an agent that no longer answers, by a command over a second channel of its connection, or over a second
 * connection where the server allows no further channel.
 */
import { PendingWork } from '../../../wait/pending-work.js';
import { raceAbort } from '../../../wait/abort.js';
import type { SshConnection } from './connection.js';
import { Ender } from './plain/ender.js';
import { ExecSlots } from './plain/exec-slots.js';
import type { Server } from './plain/server.js';

/** How long the server itself may take for a sign of life. Without one, it is the way that is gone, and no agent hangs. */
const ANSWER_MS = 1000;
/** Of the kill grace, what is waited for. The drone's own wait goes on to its end. */
const LONGEST_GRACE_MS = 10_000;
/** For the way there, the start of a command, and what KILL takes. */
const MARGIN_MS = 3000;

/** Kills under way in this thread. */
const kills = new PendingWork();

export interface AgentKillerOptions {
  /** Ended when the kill is over. */
  readonly connection: SshConnection;
  readonly connectAgain: (signal: AbortSignal) => Promise<Server>;
  /** That the agent was started with. */
  readonly marker: string;
  readonly killGraceMs: number;
}

export class AgentKiller {
  readonly #options: AgentKillerOptions;
  #work: Promise<boolean> | undefined;
  #isOver = false;

  constructor(options: AgentKillerOptions) {
    this.#options = options;
  }

  /** The connection is in use; it ends with that. */
  get isAtWork(): boolean {
    return this.#work !== undefined && !this.#isOver;
  }

  /** See Channel.kill. */
  kill(pid: number): Promise<boolean> {
    this.#work ??= kills.add(this.#kill(pid));
    return this.#work;
  }

  async #kill(pid: number): Promise<boolean> {
    const { connection, connectAgain, marker, killGraceMs } = this.#options;
    const gone = new AbortController();
    const { signal } = gone;
    let timer = setTimeout(() => {
      gone.abort(new Error('the server does not answer either'));
    }, ANSWER_MS);
    connection.hold();
    try {
      await raceAbort(signal, connection.ping());
      clearTimeout(timer);
      timer = setTimeout(
        () => {
          gone.abort(new Error('the drone did not say in time what became of it'));
        },
        Math.min(killGraceMs, LONGEST_GRACE_MS) + MARGIN_MS,
      );
      const slots = new ExecSlots(connection, signal);
      const ender = new Ender({ server: connection, slots, connectAgain, gone: signal, graceMs: () => killGraceMs });
      return (await raceAbort(signal, ender.end({ kind: 'agent', pid, marker }))) === 'gone';
    } finally {
      clearTimeout(timer);
      this.#isOver = true;
      gone.abort();
      connection.destroy();
    }
  }
}

/** Resolves when no kill is under way. */
export function killsOver(): Promise<void> {
  return kills.over();
}
