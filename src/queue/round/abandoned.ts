/** What a queue that closes could not let go in order. */
import type { Place, StuckThread } from '../thread/runner.js';
import type { Abandoned } from '../task-queue.js';
import { AGENT_ABANDONED, type LinkReport } from '../wire/messages.js';

export class AbandonedAgents {
  readonly #agents: Abandoned[] = [];
  #isClosing = false;

  /** Agents that are given up from now on are noted. */
  startClosing(): void {
    this.#isClosing = true;
  }

  /** A connection has ended. */
  noteLink({ threadId }: Place, { hostname, error }: LinkReport): void {
    const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string };
    if (this.#isClosing && code === AGENT_ABANDONED) this.#agents.push({ what: 'agent', threadId, hostname, message });
  }

  /** With the threads that did not end. */
  list(threads: readonly StuckThread[]): readonly Abandoned[] {
    return [...this.#agents, ...threads.map((thread): Abandoned => ({ what: 'thread', ...thread }))];
  }
}
