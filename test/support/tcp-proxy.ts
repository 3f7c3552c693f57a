/** A network that misbehaves on request: a TCP proxy on 127.0.0.1 in front of a server. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** Ports that no system gives out by itself, so that no other program gets ours while it refuses. */
const PORTS = { first: 20_000, count: 12_000 } as const;
/** Held per direction; then the sender has to wait, as with any network. */
const MAX_HELD_BYTES = 64 * 1024;
const DRIPS_PER_SECOND = 20;

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Taken so far, those that are over included. */
  readonly connections: number;
  /** Passed on so far, in both directions. */
  readonly bytes: number;
  /** What arrives from now on goes on so much later, in either direction. */
  delay(ms: number): void;
  /** Resets all connections, at both ends. New ones are taken. */
  cut(): void;
  /** Nothing goes through the connections of now any more, not even their end, and never again. New ones are well. */
  halfOpen(): void;
  /** So little goes through each connection and direction. */
  drip(bytesPerSecond: number): void;
  /** Whether new connections are refused (ECONNREFUSED). Those of now stay. */
  refuse(on: boolean): Promise<void>;
  /** Ends `delay`, `drip` and `refuse`. */
  restore(): Promise<void>;
}

/** How all connections are served; read anew for each piece. */
interface Pace {
  delayMs: number;
  bytesPerSecond: number;
  /** Passed on so far. */
  bytes: number;
}

export async function startTcpProxy(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
  const pace: Pace = { delayMs: 0, bytesPerSecond: Infinity, bytes: 0 };
  const open = new Set<Connection>();
  let connections = 0;
  const take = (client: Socket): void => {
    connections++;
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    const connection = new Connection(client, server, pace, () => open.delete(connection));
    open.add(connection);
  };
  let listener: Server | undefined = await listenSomewhere(take);
  const { port } = listener.address() as { port: number };
  let last = Promise.resolve();
  // One after the other: two faults that end at once would both listen.
  const refuse = (on: boolean): Promise<void> => {
    last = last.then(async () => {
      if (on) {
        listener?.close();
        listener = undefined;
      } else {
        listener ??= await listen(port, take);
      }
    });
    return last;
  };
  return {
    port,
    get connections() {
      return connections;
    },
    get bytes() {
      return pace.bytes;
    },
    delay: ms => {
      pace.delayMs = ms;
    },
    cut: () => {
      for (const connection of open) connection.reset();
    },
    halfOpen: () => {
      for (const connection of open) connection.mute();
    },
    drip: bytesPerSecond => {
      pace.bytesPerSecond = bytesPerSecond;
    },
    refuse,
    restore: async () => {
      pace.delayMs = 0;
      pace.bytesPerSecond = Infinity;
      await refuse(false);
    },
    [Symbol.asyncDispose]: async () => {
      await refuse(true);
      for (const connection of open) connection.end();
    },
  };
}

async function listenSomewhere(take: (client: Socket) => void): Promise<Server> {
  for (;;) {
    try {
      return await listen(PORTS.first + Math.floor(Math.random() * PORTS.count), take);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}

async function listen(port: number, take: (client: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, take).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

class Connection {
  readonly #sockets: readonly Socket[];
  readonly #over = new AbortController();
  readonly #pace: Pace;
  #isMute = false;

  constructor(client: Socket, server: Socket, pace: Pace, onOver: () => void) {
    this.#sockets = [client, server];
    this.#pace = pace;
    let left = this.#sockets.length;
    for (const socket of this.#sockets) {
      // Told to the other end as it was told to us: by a reset.
      socket.on('error', () => {
        if (!this.#isMute) this.reset();
      });
      socket.on('close', () => {
        left--;
        if (left === 0) onOver();
      });
    }
    this.#forward(client, server);
    this.#forward(server, client);
  }

  reset(): void {
    this.#over.abort();
    for (const socket of this.#sockets) {
      // A reset while the socket's own end is on the way fails with EINVAL and leaves the descriptor open for good (Node 20
      // to 24); one of a socket that is connecting waits until it has connected.
      if (socket.connecting || socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  /** At once, which a reset of a socket that is jammed is not. */
  end(): void {
    this.#over.abort();
    for (const socket of this.#sockets) socket.destroy();
  }

  mute(): void {
    this.#isMute = true;
    this.#over.abort();
  }

  #forward(from: Socket, to: Socket): void {
    let last = Promise.resolve();
    let heldBytes = 0;
    const next = (step: () => Promise<void>): void => {
      last = last.then(step).catch((error: unknown) => {
        if (!this.#over.signal.aborted) throw error;
      });
    };
    from.on('data', (chunk: Buffer) => {
      if (this.#isMute) return;
      const dueMs = performance.now() + this.#pace.delayMs;
      heldBytes += chunk.byteLength;
      if (heldBytes > MAX_HELD_BYTES) from.pause();
      next(async () => {
        await this.#wait(dueMs - performance.now());
        await this.#send(to, chunk);
        heldBytes -= chunk.byteLength;
        from.resume();
      });
    });
    from.on('end', () => {
      const dueMs = performance.now() + this.#pace.delayMs;
      next(async () => {
        await this.#wait(dueMs - performance.now());
        to.end();
      });
    });
  }

  async #send(to: Socket, chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.byteLength;) {
      const { bytesPerSecond } = this.#pace;
      const piece = chunk.subarray(at, at + Math.ceil(bytesPerSecond / DRIPS_PER_SECOND));
      if (Number.isFinite(bytesPerSecond)) await this.#wait((1000 * piece.byteLength) / bytesPerSecond);
      this.#over.signal.throwIfAborted();
      if (!to.write(piece)) await once(to, 'drain', { signal: this.#over.signal });
      at += piece.byteLength;
      this.#pace.bytes += piece.byteLength;
    }
  }

  async #wait(ms: number): Promise<void> {
    const { signal } = this.#over;
    signal.throwIfAborted();
    if (ms > 0) await wait(ms, undefined, { signal });
  }
}
