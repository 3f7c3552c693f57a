/**
 * Tracks a server's connections, so that closing the server ends: Node would wait forever for connections that have sent
 * nothing, or half a request.
 */
import diagnostics from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Covers every server in this process: for 'localhost', Fastify has one for each address. */
const NEW_CONNECTION = 'net.server.socket';

export class Connections {
  readonly #app: FastifyInstance;
  /** Sockets with their peers: over TLS, a request has another socket of the same peer. */
  readonly #peers = new Map<Socket, string>();
  /** Peers of requests without a whole answer. */
  readonly #busy = new Map<unknown, string>();
  readonly #onConnection = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    this.#peers.set(socket, peerOf(socket));
    socket.once('close', () => this.#peers.delete(socket));
    if (this.#isClosing) socket.destroy();
  };
  #isClosing = false;

  /** The server must not listen or have routes yet. */
  constructor(app: FastifyInstance) {
    this.#app = app;
    diagnostics.subscribe(NEW_CONNECTION, this.#onConnection);
    app.addHook('onRequest', async (request, reply) => {
      this.#busy.set(request, peerOf(request.raw.socket));
      reply.raw.once('close', () => this.#busy.delete(request));
    });
  }

  /** Closes the server: idle connections at once, the others after `graceMs`. Resolves with the number of cut-off requests. */
  async close(graceMs: number): Promise<number> {
    this.#isClosing = true;
    const busy = new Set(this.#busy.values());
    for (const [socket, peer] of this.#peers) if (!busy.has(peer)) socket.destroy();
    let cutOff = 0;
    const force = setTimeout(() => {
      cutOff = this.#busy.size;
      for (const socket of this.#peers.keys()) socket.destroy();
    }, graceMs);
    try {
      await this.#app.close();
    } finally {
      clearTimeout(force);
      diagnostics.unsubscribe(NEW_CONNECTION, this.#onConnection);
    }
    return cutOff;
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${String(remoteAddress)} ${String(remotePort)}`;
}
