/** Offers a server the credentials of a point, one after another: key files, the ssh-agent's keys, the password. */
import { connect, type Socket } from 'node:net';
import type { AnyAuthMethod, AuthHandlerMiddleware, OpenSSHAgent, ParsedKey } from 'ssh2';
import { TransportError } from '../transport.js';
import { addressOf, type SshPoint } from './endpoint.js';
import { loadIdentity } from './identity.js';
import { loadSsh2 } from './ssh2.js';
import { meaningOf } from './tcp.js';

interface Attempt {
  /** For messages; holds no secret. */
  readonly name: string;
  /** As the server lists what it takes. */
  readonly method: 'publickey' | 'password';
  readonly offer: AnyAuthMethod;
}

export class Authentication {
  readonly #point: SshPoint;
  readonly #attempts: Attempt[];
  readonly #agentSockets: Set<Socket>;
  readonly #tried: string[] = [];
  #serverTakes: readonly string[] | undefined;
  #isExhausted = false;

  private constructor(point: SshPoint, attempts: Attempt[], agentSockets: Set<Socket>) {
    this.#point = point;
    this.#attempts = attempts;
    this.#agentSockets = agentSockets;
  }

  /** Reads the key files. Rejects with a TransportError (`auth`) that names a file that is of no use. */
  static async prepare(point: SshPoint): Promise<Authentication> {
    const { user, identity, agentSocket, password } = point;
    const keys = await Promise.all(identity.map(loadIdentity));
    const agentSockets = new Set<Socket>();
    const attempts: Attempt[] = keys.map((key: ParsedKey, at) => ({
      name: `key ${identity[at] ?? ''}`,
      method: 'publickey',
      offer: { type: 'publickey', username: user, key },
    }));
    if (agentSocket !== undefined) {
      const agent = await openAgent(agentSocket, agentSockets);
      const offer: AnyAuthMethod = { type: 'agent', username: user, agent };
      attempts.push({ name: `ssh-agent ${agentSocket}`, method: 'publickey', offer });
    }
    if (password !== undefined) {
      attempts.push({ name: 'password', method: 'password', offer: { type: 'password', username: user, password } });
    }
    return new Authentication(point, attempts, agentSockets);
  }

  /** Called by ssh2 for the first attempt and after each that was refused. No `none` first: it would cost a round trip. */
  readonly handler: AuthHandlerMiddleware = (serverTakes: readonly string[] | null, _isPartial, next) => {
    if (serverTakes) this.#serverTakes = serverTakes;
    for (;;) {
      const attempt = this.#attempts.shift();
      if (!attempt) break;
      if (serverTakes && !serverTakes.includes(attempt.method)) continue;
      this.#tried.push(attempt.name);
      next(attempt.offer);
      return;
    }
    this.#isExhausted = true;
    // Documented by ssh2 as the way to give up, but missing in its types.
    (next as unknown as (nothing: false) => void)(false);
  };

  /** Nothing is left to offer. */
  get isExhausted(): boolean {
    return this.#isExhausted;
  }

  /** Whether the server has said no at least once. */
  get wasRefused(): boolean {
    return this.#serverTakes !== undefined;
  }

  /** An attempt could not be made, such as with an ssh-agent that is gone; the next one follows. */
  noteTrouble(error: Error): void {
    const last = this.#tried.pop();
    if (last !== undefined) this.#tried.push(`${last} (${error.message})`);
  }

  failure(cause: Error, serverText?: string): TransportError {
    const tried = this.#tried.length > 0 ? `tried: ${this.#tried.join(', ')}` : 'there was no credential to try';
    const takes = this.#serverTakes ? `; the server takes: ${this.#serverTakes.join(', ')}` : '';
    const said = serverText === undefined ? '' : `; it said: ${serverText}`;
    return new TransportError('auth', `${addressOf(this.#point)} refused the login; ${tried}${takes}${said}`, {
      cause,
    });
  }

  /** Ends what is still being asked of the ssh-agent. */
  close(): void {
    for (const socket of this.#agentSockets) socket.destroy();
  }
}

/** ssh2's ssh-agent client, with its connections in our hands: a silent ssh-agent must not outlive the attempt. */
async function openAgent(path: string, sockets: Set<Socket>): Promise<OpenSSHAgent> {
  const ssh2 = await loadSsh2();
  class ClosableAgent extends ssh2.OpenSSHAgent {
    override getStream(callback: Parameters<OpenSSHAgent['getStream']>[0]): void {
      const socket = connect(path);
      sockets.add(socket);
      const onError = (error: Error): void => {
        callback(new Error(meaningOf(error), { cause: error }), socket);
      };
      socket.once('error', onError);
      socket.once('connect', () => {
        socket.off('error', onError);
        callback(undefined, socket);
      });
      socket.once('close', () => sockets.delete(socket));
    }
  }
  return new ClosableAgent(path);
}
