/** The one door to ssh2, opened at the first connection: who has no SSH drone does not pay for loading it. */
import type { Client } from 'ssh2';

let ssh2: Promise<typeof import('ssh2')> | undefined;

export function loadSsh2(): Promise<typeof import('ssh2')> {
  ssh2 ??= import('ssh2').then(module => module.default);
  return ssh2;
}

/** What ssh2 does not declare: what it does with a server's messages. */
interface Ssh2Internals {
  readonly _protocol: {
    readonly _handlers: { GLOBAL_REQUEST(protocol: unknown, name: string, wantsReply: boolean, data: unknown): void };
  };
}

/**
 * Passes over the list of its host keys that an OpenSSH server sends after the login. ssh2 would have the server prove each
 * of them, which costs both sides a signature per key and connection; we have checked the one key that counts.
 */
export function ignoreFurtherHostKeys(client: Client): void {
  const { _handlers: handlers } = (client as unknown as Ssh2Internals)._protocol;
  const passOn = handlers.GLOBAL_REQUEST;
  handlers.GLOBAL_REQUEST = (protocol, name, wantsReply, data) => {
    if (name !== 'hostkeys-00@openssh.com' || wantsReply) passOn(protocol, name, wantsReply, data);
  };
}
