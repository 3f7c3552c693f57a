/** The TCP connection under the first SSH connection of a way. */
import { connect, type Socket } from 'node:net';
import { onAbort } from '../../../wait/abort.js';
import { TransportError } from '../transport.js';

const MEANINGS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ENOTFOUND: 'name not found',
  EAI_AGAIN: 'name service does not answer',
  ETIMEDOUT: 'connection timed out',
  EPIPE: 'connection closed',
};

/** What a socket's error means, and its code. */
export function meaningOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const meaning = code === undefined ? undefined : MEANINGS[code];
  return meaning === undefined ? error.message : `${meaning} (${code ?? ''})`;
}

/**
 * Rejects with a TransportError (`unreachable`) whose cause has the system's code, or at once when aborted. What is not
 * `held` does not keep the process alive.
 */
export function openTcp(host: string, port: number, held: boolean, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    // Small messages go back and forth; Nagle's algorithm would hold each up to 40 ms.
    const socket = connect({ host, port, noDelay: true });
    if (!held) socket.unref();
    const settle = (act: () => void): void => {
      stopListening();
      socket.off('connect', onConnect).off('error', onError);
      act();
    };
    const stopListening = onAbort(signal, reason => {
      settle(() => {
        socket.destroy();
        reject(reason);
      });
    });
    const onConnect = (): void => {
      settle(() => {
        resolve(socket);
      });
    };
    const onError = (error: Error): void => {
      settle(() => {
        reject(
          new TransportError('unreachable', `cannot connect to ${host} port ${String(port)}: ${meaningOf(error)}`, {
            cause: error,
          }),
        );
      });
    };
    socket.once('connect', onConnect).once('error', onError);
  });
}
