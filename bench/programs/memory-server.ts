/**
 * An SSH server that plays any number of agents by itself: what drones cost is then hardly in the figures. It lets in
 * every key, speaks our frames, and answers every call with nothing.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import type { SshDroneOptions } from 'drone-task-queue';
import { encode } from '../../dist/queue/wire/codec/codec.js';
import { encodeFrame, FrameReader, FrameWriter } from '../../dist/queue/wire/frames.js';
import { FrameType, PROTOCOL_VERSION } from '../../dist/queue/wire/messages.js';

const hostKey = ssh2.utils.generateKeyPairSync('ed25519');
const clientKey = ssh2.utils.generateKeyPairSync('ed25519');
const BACKLOG = 4096;
const READY = encode({ protocol: PROTOCOL_VERSION, pid: process.pid, nodeVersion: process.version });

function fingerprint(): string {
  const key = ssh2.utils.parseKey(hostKey.public);
  if (key instanceof Error) throw key;
  return `SHA256:${createHash('sha256').update(key.getPublicSSH()).digest('base64').replace(/=+$/, '')}`;
}

function playAgent(channel: ServerChannel, command: string): void {
  channel.write(`${command.split(' ').at(-1) ?? ''} ${process.version}\n`);
  const answers = new FrameWriter();
  const frames = new FrameReader((type, batch, index) => {
    if (type === FrameType.Call) answers.frame(FrameType.Value, batch, index);
    else if (type === FrameType.Ping) answers.frame(FrameType.Pong, batch, index);
  });
  // First comes the bundle, its length in front: of no use here.
  let head = Buffer.alloc(0);
  let bundleBytes = -1;
  channel.on('data', (chunk: Buffer) => {
    let rest = chunk;
    if (bundleBytes < 0) {
      head = Buffer.concat([head, chunk]);
      if (head.byteLength < 4) return;
      bundleBytes = head.readUInt32LE(0);
      rest = head.subarray(4);
    }
    if (bundleBytes > 0) {
      const skipped = Math.min(bundleBytes, rest.byteLength);
      bundleBytes -= skipped;
      rest = rest.subarray(skipped);
      if (bundleBytes > 0) return;
      channel.write(encodeFrame(FrameType.Ready, 0, 0, READY));
    }
    frames.push(rest);
    if (!answers.empty) channel.write(answers.take());
  });
  channel.on('end', () => {
    channel.exit(0);
    channel.end();
  });
}

const protocol = new ssh2.Server({ hostKeys: [hostKey.private] }, (client: Connection) => {
  client.on('error', () => undefined); // broken off; its channels end with it
  client.on('authentication', context => {
    if (context.method === 'publickey') context.accept();
    else context.reject(['publickey']);
  });
  client.on('session', accept => {
    accept().on('exec', (acceptExec, _reject, { command }) => {
      playAgent(acceptExec(), command);
    });
  });
});

const folder = mkdtempSync(join(tmpdir(), 'drone-bench-'));
process.on('disconnect', () => {
  rmSync(folder, { recursive: true, force: true });
  process.exit();
});
const identity = join(folder, 'id_ed25519');
writeFileSync(identity, clientKey.private, { mode: 0o600 });
const listener = createServer({ noDelay: true }, socket => {
  protocol.injectSocket(socket);
}).listen({ port: 0, host: '0.0.0.0', backlog: BACKLOG });
await once(listener, 'listening');
const options: SshDroneOptions = {
  port: (listener.address() as AddressInfo).port,
  identity,
  agentSocket: false,
  hostKeys: { fingerprints: [fingerprint()] },
};
process.send?.(options);
