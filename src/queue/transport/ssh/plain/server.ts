import type { ClientChannel } from 'ssh2';

export interface Server {
  /**
   * Starts a command; `listen` gets its channel before the first event, and `onRequest` is called right before the server is
   * asked to start it, perhaps never. Rejects when the server refuses (`cause` then
   * has the `reason` of RFC 4254 if the channel itself is refused) or is gone.
   */
  exec<T>(
    command: string,
    signal: AbortSignal,
    listen: (channel: ClientChannel) => T,
    onRequest?: () => void,
  ): Promise<T>;
  /**
   * Resolves when the server has answered; all that it sent before has arrived by then. Rejects when the connection
   * ends.
   */
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
