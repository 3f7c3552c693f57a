/** A TCP server on 127.0.0.1 that closes with all of its sockets, and those that it has opened itself. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

type Serve = (client: Socket, keep: (socket: Socket) => Socket) => unknown;

export class SocketServer implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();
  readonly #listener: Server;

  private constructor(serve: Serve) {
    this.#listener = createServer({ noDelay: true }, client => void serve(this.#keep(client), this.#keep));
  }

  /** `serve` is called with each connection, and with a function that has another socket closed with the server. */
  static async start(serve: Serve): Promise<SocketServer> {
    const server = new SocketServer(serve);
    await once(server.#listener.listen(0, '127.0.0.1'), 'listening');
    return server;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  readonly #keep = (socket: Socket): Socket => {
    this.#sockets.add(socket);
    // The other end may close first.
    return socket.on('error', () => undefined);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    await once(this.#listener, 'close');
  }
}
