/** The TCP connection under the first SSH connection of a path. */
import { connect, isIP, type Socket } from 'node:net';
import { onAbort } from '../../../wait/abort.js';
import { TransportError } from '../transport.js';
import type { SshPoint } from './ssh-endpoint.js';

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

export function meaningOf(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const meaning = code === undefined ? undefined : MEANINGS[code];
  return meaning === undefined ? error.message : `${meaning} (${code ?? ''})`;
}

/** If an address does not answer within this time, ms, the next one is tried as well, as RFC 8305, section 5, proposes. */
const NEXT_ADDRESS_MS = 250;

/** The system's code of an error, or its text. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/**
 * Connects to the first of a host's addresses that answers. Rejects with a TransportError (`unreachable`) that has the
 * system's error as its cause, or at once when aborted. Unless `held`, it does not keep the process alive.
 */
export async function openTcp(
  { host, port, addressFamily }: Pick<SshPoint, 'host' | 'port' | 'addressFamily'>,
  addresses: readonly string[],
  held: boolean,
  signal: AbortSignal,
): Promise<Socket> {
  const usable = addresses.filter(address => addressFamily === undefined || isIP(address) === addressFamily);
  if (usable.length === 0) {
    const what = `${host} has no IPv${String(addressFamily)} address, which addressFamily requires`;
    throw new TransportError('unreachable', what);
  }
  try {
    return await connectToFirst(usable, port, held, signal);
  } catch (error) {
    signal.throwIfAborted();
    const why = usable.length > 1 ? (error as AggregateError).message : meaningOf(error as Error);
    const { code } = error as NodeJS.ErrnoException;
    const message = `cannot connect to ${host} port ${String(port)}: ${why}`;
    throw new TransportError('unreachable', message, { cause: error, code });
  }
}

/**
 * An attempt goes on while the next ones run: `net` gives each up after 250 ms, which a far host exceeds. Rejects with the error
 * of a single address, or with an AggregateError that has the code of the first.
 */
function connectToFirst(
  addresses: readonly string[],
  port: number,
  held: boolean,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const untried = [...addresses];
    const sockets = new Set<Socket>();
    const errors: Error[] = [];
    let next: NodeJS.Timeout | undefined;
    const settle = (winner?: Socket): void => {
      clearTimeout(next);
      stopListening();
      for (const socket of sockets) if (socket !== winner) socket.destroy();
    };
    const tryNext = (): void => {
      clearTimeout(next);
      const address = untried.shift();
      if (address !== undefined) {
        attempt(address);
        if (untried.length > 0) next = setTimeout(tryNext, NEXT_ADDRESS_MS);
        if (!held) next?.unref();
      } else if (sockets.size === 0) {
        settle();
        reject(allFailed(addresses, errors));
      }
    };
    const attempt = (address: string): void => {
      // Small messages go back and forth; Nagle's algorithm would hold each up to 40 ms.
      const socket = connect({ host: address, port, noDelay: true });
      if (!held) socket.unref();
      sockets.add(socket);
      const onError = (error: Error): void => {
        sockets.delete(socket);
        errors.push(error);
        tryNext();
      };
      socket.once('error', onError).once('connect', () => {
        socket.off('error', onError);
        settle(socket);
        resolve(socket);
      });
    };
    const stopListening = onAbort(signal, reason => {
      settle();
      reject(reason);
    });
    tryNext();
  });
}

function allFailed(addresses: readonly string[], errors: readonly Error[]): Error {
  const [first] = errors;
  if (first !== undefined && addresses.length === 1) return first;
  const said = errors.map(error => `${(error as { address?: string }).address ?? ''}: ${meaningOf(error)}`);
  const { code } = (first ?? {}) as NodeJS.ErrnoException;
  return Object.assign(new AggregateError(errors, said.join(', ')), { code });
}
