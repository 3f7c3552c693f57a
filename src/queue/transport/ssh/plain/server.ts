/** What a plain agent needs of the connection to its drone. */
import type { ClientChannel } from 'ssh2';

export interface Server {
  /**
   * Starts a command; `listen` gets its channel before the first event. Rejects when the server refuses (then `cause` has
   * the `reason` of RFC 4254 where the channel itself is refused) or is gone.
   */
  exec<T>(command: string, signal: AbortSignal, listen: (channel: ClientChannel) => T): Promise<T>;
  /** Resolves when the server has answered: all that it sent before is here by then. Rejects when the connection ends. */
  ping(): Promise<void>;
  /** Called once, when the connection has ended; soon, if it has already. */
  onEnd(listener: (cause: Error | undefined) => void): void;
  hold(): void;
  release(): void;
  end(): void;
  destroy(): void;
}

/** The server opens no further channel, for now or at all. */
export function isChannelRefused(error: unknown): boolean {
  const { cause } = (error ?? {}) as { cause?: { reason?: unknown } };
  return typeof cause?.reason === 'number';
}
