/** Keys that sign without being here: those of an ssh-agent, and those still locked in their file. */
import { connect, type Socket } from 'node:net';
import type { AnyAuthMethod, BaseAgent, OpenSSHAgent, ParsedKey } from 'ssh2';
import { loadSsh2 } from './ssh2.js';
import { meaningOf } from './tcp.js';

/** Signs what a server wants to see signed; `hash` is for keys that leave a choice. */
export type Sign = (data: Buffer, hash: string | undefined) => Promise<Buffer>;

/** A running ssh-agent, with the connections to it in our hands: a silent one must not outlive the attempt. */
export class SshAgent {
  readonly #agent: OpenSSHAgent;

  private constructor(agent: OpenSSHAgent) {
    this.#agent = agent;
  }

  static async open(path: string, sockets: Set<Socket>): Promise<SshAgent> {
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
    return new SshAgent(new ClosableAgent(path));
  }

  /** The keys it holds, public parts; types that ssh2 does not know are left out. */
  async keys(): Promise<ParsedKey[]> {
    const { utils } = await loadSsh2();
    const listed = await new Promise<readonly unknown[]>((resolve, reject) => {
      this.#agent.getIdentities((error, keys) => {
        if (error) reject(error);
        else resolve(keys ?? []);
      });
    });
    return listed.map(key => utils.parseKey(key as Buffer)).filter((key): key is ParsedKey => !(key instanceof Error));
  }

  sign(key: ParsedKey): Sign {
    return (data, hash) =>
      new Promise((resolve, reject) => {
        const options = hash === undefined ? {} : { hash: hash as 'sha256' | 'sha512' };
        this.#agent.sign(key, data, options, (error, signature) => {
          if (error || !signature) reject(error ?? new Error('the ssh-agent gave no signature'));
          else resolve(signature);
        });
      });
  }
}

/** An offer of one key. ssh2 waits for a signature only where it takes the key for an ssh-agent's. */
export async function offerOf(username: string, key: ParsedKey, sign: Sign): Promise<AnyAuthMethod> {
  const ssh2 = await loadSsh2();
  class OneKey extends ssh2.BaseAgent<ParsedKey> {
    getIdentities(callback: Parameters<BaseAgent<ParsedKey>['getIdentities']>[0]): void {
      callback(undefined, [key]);
    }

    sign(...[, data, options, callback]: unknown[]): void {
      const done = callback as (error?: Error, signature?: Buffer) => void;
      sign(data as Buffer, (options as { hash?: string } | undefined)?.hash)
        .then(signature => {
          // Throws for a signature that makes no sense.
          done(undefined, signature);
        })
        .catch((error: unknown) => {
          done(error as Error);
        });
    }
  }
  return { type: 'agent', username, agent: new OneKey() };
}
