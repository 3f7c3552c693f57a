/** Keys that sign elsewhere: those of an ssh-agent, and those still locked in their file. */
import { connect, type Socket } from 'node:net';
import { promisify } from 'node:util';
import type { AnyAuthMethod, BaseAgent, OpenSSHAgent, ParsedKey } from 'ssh2';
import { loadSsh2 } from './ssh2.js';
import { meaningOf } from './tcp.js';

/** `hash` is for keys that leave a choice. */
export type Sign = (data: Buffer, hash: string | undefined) => Promise<Buffer>;

export interface SshAgent {
  /** The public parts of its keys, except for types that ssh2 does not know. */
  keys(): Promise<ParsedKey[]>;
  /** Whether certificates were among the keys listed last. */
  readonly hasCertificates: boolean;
  sign(key: ParsedKey): Sign;
}

/** Opens a running ssh-agent. Its connections are added to `sockets`: a silent one must not outlive the attempt. */
export async function openSshAgent(path: string, sockets: Set<Socket>): Promise<SshAgent> {
  const ssh2 = await loadSsh2();
  let hasCertificates = false;
  class ClosableAgent extends ssh2.OpenSSHAgent {
    override getStream(callback: Parameters<OpenSSHAgent['getStream']>[0]): void {
      const socket = connect(path);
      sockets.add(socket);
      const onError = (error: Error): void => callback(new Error(meaningOf(error), { cause: error }), socket);
      socket.once('error', onError);
      socket.once('connect', () => {
        socket.off('error', onError);
        // ssh2 drops them from the list.
        socket.on('data', chunk => {
          hasCertificates ||= chunk.includes('-cert-v01@openssh.com');
        });
        callback(undefined, socket);
      });
      socket.once('close', () => sockets.delete(socket));
    }
  }
  const agent = new ClosableAgent(path);
  const list = promisify(agent.getIdentities.bind(agent)) as () => Promise<readonly unknown[] | undefined>;
  return {
    get hasCertificates() {
      return hasCertificates;
    },
    async keys() {
      const keys = ((await list()) ?? []).map(key => ssh2.utils.parseKey(key as Buffer));
      return keys.filter((key): key is ParsedKey => !(key instanceof Error));
    },
    sign: key => (data, hash) =>
      new Promise((resolve, reject) => {
        const options = hash === undefined ? {} : { hash: hash as 'sha256' | 'sha512' };
        agent.sign(key, data, options, (error, signature) => {
          if (error || !signature) reject(error ?? new Error('the ssh-agent returned no signature'));
          else resolve(signature);
        });
      }),
  };
}

/** An offer of one key. ssh2 awaits a signature only from an ssh-agent's key. */
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
          // Throws for an invalid signature.
          done(undefined, signature);
        })
        .catch((error: unknown) => done(error as Error));
    }
  }
  return { type: 'agent', username, agent: new OneKey() };
}
