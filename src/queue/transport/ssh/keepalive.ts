/**
 * Notices a server that is silently gone. ssh2 could do it, but its timer cannot be reached from outside and would keep
 * an idle process alive; ours does not.
 */
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';

/** What ssh2 does not declare: the request that its own keepalive sends, and the queue of awaited replies. */
interface Ssh2Internals {
  readonly _protocol: { ping(): void };
  readonly _callbacks: (() => void)[];
}

const MAX_INTERVAL_MS = 2_147_483_647;

/** Asks the server for an answer, whatever it may be. */
export function ask(client: Client, onAnswer: () => void): void {
  const { _protocol: protocol, _callbacks: replies } = client as unknown as Ssh2Internals;
  // Replies come in the order of the requests, to whoever stands first in the queue.
  replies.push(onAnswer);
  protocol.ping();
}

export class Keepalive {
  readonly #timer: NodeJS.Timeout | undefined;

  /** Asks at each interval; `onSilence` is called once, after `keepaliveCount` intervals in which nothing was heard. */
  constructor(
    client: Client,
    stream: Duplex,
    settings: { readonly keepaliveIntervalMs: number; readonly keepaliveCount: number },
    onSilence: (error: Error) => void,
  ) {
    const { keepaliveIntervalMs, keepaliveCount } = settings;
    if (!(keepaliveIntervalMs > 0 && keepaliveIntervalMs <= MAX_INTERVAL_MS)) return;
    let unanswered = 0;
    stream.on('data', () => {
      unanswered = 0;
    });
    this.#timer = setInterval(() => {
      if (unanswered >= keepaliveCount) {
        this.stop();
        const silence = `no answer to ${String(keepaliveCount)} keepalives, ${String(keepaliveIntervalMs)} ms apart`;
        onSilence(new Error(silence));
        return;
      }
      unanswered++;
      ask(client, () => undefined);
    }, keepaliveIntervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
