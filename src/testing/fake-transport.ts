/**
 * The worker thread's side of a FakeDrone: a channel to its agent on the main thread. The round takes the real path through
 * thread, link and frames.
 */
import { onAbort } from '../wait/abort.js';
import { type Channel, type Transport, TransportError } from '../queue/transport/transport.js';
import type { DownKind } from '../queue/wire/messages.js';

/** Code of the error with which the fake agent asks for the thread's death; the message names the way. */
export const BREAK_THREAD = 'ERR_FAKE_BREAK_THREAD';

export const transport: Transport = {
  open(spec, start, events, context) {
    context.phase('connect');
    return new Promise((resolve, reject) => {
      let open = false;
      const channel: Channel = context.relay(spec.key, start.marker, {
        data: chunk => {
          if (!open) {
            open = true;
            stopListening();
            resolve(channel);
          }
          events.data(chunk);
        },
        diagnostics: chunk => events.diagnostics(chunk),
        end: cause => {
          const { code } = (cause ?? {}) as { code?: unknown };
          if (code === BREAK_THREAD) breakThread(cause?.message ?? '');
          else if (open) events.end(cause);
          else reject(refused(code as DownKind, cause?.message ?? 'the fake drone ended'));
        },
      });
      const stopListening = onAbort(context.signal, reason => {
        channel.destroy();
        reject(reason);
      });
    });
  },
};

/** With the code that a real drone would give, for schedulers that look at `causeCode`. */
function refused(kind: DownKind, message: string): TransportError {
  return new TransportError(kind, message, { code: REFUSAL_CODES[kind] });
}

const REFUSAL_CODES: Partial<Record<DownKind, string>> = {
  unreachable: 'ECONNREFUSED',
  'host-key': 'ERR_HOST_KEY_UNKNOWN',
};

function breakThread(how: string): void {
  switch (how) {
    case 'thread-exit':
      process.exit(0);
      break;
    case 'thread-throw':
      throw new Error('thrown in the worker thread by a fake drone');
    case 'thread-loop':
      for (;;);
    case 'thread-out-of-memory':
      for (const held: unknown[] = []; ; held.push(new Array(100_000).fill(held.length)));
  }
}
