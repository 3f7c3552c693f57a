/** Notices a silently lost server. ssh2's own timer would keep an idle process alive; ours does not. */
import type { Duplex } from 'node:stream';
import type { Client } from 'ssh2';
import { MAX_TIMER_MS } from '../../../wait/clock.js';
import { internalsOf } from './ssh2.js';

export function ask(client: Client, onAnswer: () => void): void {
  const { _protocol: protocol, _callbacks: replies } = internalsOf(client);
  // Replies come in the order of the requests, and go to the first in the queue.
  replies.push(onAnswer);
  protocol.ping();
}

/**
 * Asks at each interval; calls `onSilence` once, after `keepaliveCount` silent intervals. Returns a function that stops it.
 */
export function keepAlive(
  client: Client,
  stream: Duplex,
  { keepaliveIntervalMs, keepaliveCount }: { readonly keepaliveIntervalMs: number; readonly keepaliveCount: number },
  onSilence: (error: Error) => void,
): () => void {
  if (!(keepaliveIntervalMs > 0 && keepaliveIntervalMs <= MAX_TIMER_MS)) return () => undefined;
  let unanswered = 0;
  stream.on('data', () => {
    unanswered = 0;
  });
  const timer = setInterval(() => {
    if (unanswered >= keepaliveCount) {
      clearInterval(timer);
      onSilence(
        new Error(`no answer to ${String(keepaliveCount)} keepalives, ${String(keepaliveIntervalMs)} ms apart`),
      );
      return;
    }
    unanswered++;
    ask(client, () => undefined);
  }, keepaliveIntervalMs).unref();
  return () => clearInterval(timer);
}
