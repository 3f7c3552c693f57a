/** An SSH server whose logins the test decides, method by method; a command there echoes its stdin. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import ssh2, { type AuthContext } from 'ssh2';
import type { SshOptions } from '../../../../src/queue/transport/ssh/ssh-endpoint.js';
import { fingerprintOf } from '../../../../src/queue/transport/ssh/host-key.js';

export interface LoginServer extends AsyncDisposable {
  readonly options: SshOptions<never>;
  /** Methods as they were tried. */
  readonly tried: string[];
}

export async function startLoginServer(decide: (context: AuthContext) => void): Promise<LoginServer> {
  const hostKey = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });
  const parsed = ssh2.utils.parseKey(hostKey.public);
  if (parsed instanceof Error) throw parsed;
  const tried: string[] = [];
  const protocol = new ssh2.Server(
    { hostKeys: [hostKey.private], banner: 'Unauthorized use is watched.\n' },
    client => {
      client.on('error', () => undefined); // cut off by the client, as these tests want it
      client.on('authentication', context => {
        tried.push(context.method);
        decide(context);
      });
      client.on('session', accept => {
        accept().on('exec', acceptExec => {
          const channel = acceptExec();
          channel.on('end', () => {
            channel.exit(0);
            channel.end();
          });
          channel.on('data', (chunk: Buffer) => channel.write(chunk));
        });
      });
    },
  );
  const sockets = new Set<Socket>();
  const listener = createServer(socket => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    protocol.injectSocket(socket);
  });
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  return {
    tried,
    options: {
      host: '127.0.0.1',
      port: (listener.address() as AddressInfo).port,
      user: 'drone',
      agentSocket: false,
      hostKeys: { fingerprints: [fingerprintOf(parsed.getPublicSSH())] },
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
