/**
 * The connections of a server, so that it comes to an end: from the moment it is closed Node sets no limit of time to
 * those that have said nothing, or half of something, and waits for them for ever.
 */
import diagnostics from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Tells of those of each server in this process: for 'localhost', Fastify has one for each address. */
const NEW_CONNECTION = 'net.server.socket';

export class Connections {
  readonly #app: FastifyInstance;
  /** And whose they are: over TLS a request's socket is another one, of the same peer. */
  readonly #peers = new Map<Socket, string>();
  /** Of requests that have no whole answer yet, by their request. */
  readonly #busy = new Map<unknown, string>();
  readonly #onConnection = (message: unknown): void => this.#add((message as { socket: Socket }).socket);
  #isClosing = false;

  /** Of a server that does not listen yet, and has no routes. */
  constructor(app: FastifyInstance) {
    this.#app = app;
    diagnostics.subscribe(NEW_CONNECTION, this.#onConnection);
    app.addHook('onRequest', async (request, reply) => {
      this.#busy.set(request, peerOf(request.raw.socket));
      reply.raw.once('close', () => this.#busy.delete(request));
    });
  }

  /**
   * Closes the server: at once what is in no request, after `graceMs` the rest. Resolves with how many requests were cut off.
   */
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

  #add(socket: Socket): void {
    if (this.#isClosing) {
      socket.destroy();
      return;
    }
    this.#peers.set(socket, peerOf(socket));
    socket.once('close', () => this.#peers.delete(socket));
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${String(remoteAddress)} ${String(remotePort)}`;
}
