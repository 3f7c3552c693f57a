/** The end of a server whose connections do not end by themselves. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import test from 'node:test';
import { Gate } from 'drone-task-queue/testing';
import Fastify, { type FastifyInstance } from 'fastify';
import { Connections } from '../../../src/shard/cli/connections.js';
import { leakCheck } from '../../support/leak-check.js';

leakCheck();

interface Serving {
  readonly app: FastifyInstance;
  readonly connections: Connections;
  readonly gate: Gate;
  say(words: string): Promise<Socket>;
}

/** Each request waits at the gate, when all of it has come. */
async function serve(host = '127.0.0.1'): Promise<Serving> {
  const app = Fastify();
  const connections = new Connections(app);
  const gate = new Gate();
  app.post('/', async () => {
    await gate.wait();
    return 'done';
  });
  const { port } = new URL(await app.listen({ host, port: 0 }));
  const say = async (words: string): Promise<Socket> => {
    const socket = connect(Number(port), host);
    socket.on('error', () => undefined); // It may be cut off.
    await once(socket, 'connect');
    socket.write(words);
    return socket;
  };
  return { app, connections, gate, say };
}

const HEAD = 'POST / HTTP/1.1\r\nhost: farm\r\ncontent-type: text/plain\r\n';

test('a server that is closed waits for who is in a request, and not for those who are in none', async () => {
  const { connections, gate, say } = await serve();
  const silent = await say('');
  const halfHead = await say(HEAD);
  const asking = await say(`${HEAD}content-length: 2\r\nconnection: close\r\n\r\nhi`);
  const answer = text(asking);
  await gate.arrived();
  const closed = connections.close(2 ** 31 - 1);
  await Promise.all([silent, halfHead].map(socket => once(socket, 'close')));
  gate.open();
  assert.match(await answer, /done$/);
  assert.equal(await closed, 0);
});

test('a request without an end is cut off after a while, and counted', async () => {
  const { app, connections, say } = await serve();
  const begun = new Gate();
  app.server.on('request', () => void begun.wait());
  const half = await say(`${HEAD}content-length: 2\r\n\r\nh`);
  await begun.arrived();
  const cut = once(half, 'close');
  assert.equal(await connections.close(1), 1);
  await cut;
});

test('a server for all addresses of a name ends with each of them', async () => {
  const { connections, say } = await serve('localhost');
  const silent = await say('');
  const cut = once(silent, 'close');
  assert.equal(await connections.close(2 ** 31 - 1), 0);
  await cut;
});
