/** The states of a login, driven by the events of an SSH client that never connects. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import test from 'node:test';
import type { Client } from 'ssh2';
import { endpointOf } from '../../../../src/queue/drone/drone.js';
import { SshDrone } from '../../../../src/queue/drone/ssh-drone.js';
import { Authentication } from '../../../../src/queue/transport/ssh/authentication.js';
import { HostKeyCheck } from '../../../../src/queue/transport/ssh/host-key.js';
import { Dropped, logIn } from '../../../../src/queue/transport/ssh/login.js';
import type { SshEndpointSpec } from '../../../../src/queue/transport/ssh/ssh-endpoint.js';
import { TransportError } from '../../../../src/queue/transport/transport.js';
import type { Phase } from '../../../../src/queue/wire/messages.js';

/** What a login uses of ssh2's client. */
class SilentClient extends EventEmitter {
  readonly _protocol = { _handlers: { USERAUTH_FAILURE: () => undefined, GLOBAL_REQUEST: () => undefined } };
  connect(): void {
    // Its events are the test's.
  }
}

interface Attempt {
  readonly client: SilentClient;
  readonly stop: AbortController;
  readonly phases: readonly Phase[];
  /** Counts the calls of `onOpen`. */
  readonly opened: () => number;
  /** Resolves with the failure, or undefined. */
  readonly outcome: Promise<TransportError | undefined>;
}

async function attempt(tunnel: { isClosed?: boolean; lost?: Error } = {}): Promise<Attempt> {
  const options = { user: 'drone', password: 'secret', agentSocket: false, knownHosts: [] } as const;
  const point = endpointOf(new SshDrone('web1', options)).spec as SshEndpointSpec;
  const client = new SilentClient();
  const stop = new AbortController();
  const phases: Phase[] = [];
  let opened = 0;
  const settings = {
    signal: stop.signal,
    phase: (phase: Phase) => phases.push(phase),
    ask: () => assert.fail('nothing is asked for'),
    awaits: () => undefined,
  };
  const parts = {
    client: client as unknown as Client,
    point,
    tunnel: { stream: new PassThrough(), isClosed: tunnel.isClosed ?? false, lossCause: () => tunnel.lost },
    hostKey: await HostKeyCheck.prepare(point),
    authentication: new Authentication(point, settings),
    settings,
  };
  const outcome = logIn(parts, () => opened++).then(
    () => undefined,
    (error: unknown) => error as TransportError,
  );
  return { client, stop, phases, opened: () => opened, outcome };
}

const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
const goodbye = Object.assign(new Error('too many keys'), { code: 2 });

const FAILURES: readonly [name: string, kind: string, isDropped: boolean, drive: (attempt: Attempt) => void][] = [
  ['a close in the handshake', 'unreachable', true, ({ client }) => client.emit('close')],
  ['a reset in the handshake', 'unreachable', true, ({ client }) => client.emit('error', reset)],
  ['an error in the handshake', 'unreachable', false, ({ client }) => client.emit('error', new Error('no cipher'))],
  ['a login that comes before the handshake', 'unreachable', false, ({ client }) => client.emit('ready')],
  [
    'a reset after the handshake',
    'unreachable',
    false,
    ({ client }) => {
      client.emit('handshake');
      client.emit('error', reset);
    },
  ],
  [
    'a goodbye after the handshake',
    'auth',
    false,
    ({ client }) => {
      client.emit('handshake');
      client.emit('error', goodbye);
    },
  ],
  [
    'a close after the handshake',
    'unreachable',
    false,
    ({ client }) => {
      client.emit('handshake');
      client.emit('close');
    },
  ],
  [
    'a demand for a new password',
    'auth',
    false,
    ({ client }) => {
      client.emit('handshake');
      client.emit('change password');
    },
  ],
  ['an abort', 'cancelled', false, ({ stop }) => stop.abort(new TransportError('cancelled', 'given up'))],
];

for (const [name, kind, isDropped, drive] of FAILURES) {
  test(`${name} is ${kind}, and nothing that follows changes it`, async () => {
    const login = await attempt();
    drive(login);
    // Whatever a server still sends, and whichever login still gives up.
    for (const event of ['handshake', 'ready', 'close']) login.client.emit(event);
    login.client.emit('error', new Error('late'));
    login.stop.abort();
    const failure = await login.outcome;
    assert.equal(failure?.kind, kind);
    assert.equal(failure instanceof Dropped, isDropped);
    assert.equal(login.opened(), 0);
  });
}

test('a login opens once, and later events are not its own', async () => {
  const login = await attempt();
  login.client.emit('handshake');
  // Session keys change.
  login.client.emit('handshake');
  login.client.emit('error', Object.assign(new Error('no such agent'), { level: 'agent' }));
  login.client.emit('ready');
  assert.equal(login.opened(), 1, 'in the event itself');
  login.client.emit('ready');
  login.client.emit('error', reset);
  login.client.emit('close');
  login.stop.abort();
  assert.equal(await login.outcome, undefined);
  assert.equal(login.opened(), 1);
  assert.deepEqual(login.phases, ['handshake', 'auth']);
});

test('a tunnel that is closed already counts as a drop, with what the tunnel knows of it', async () => {
  const lost = new Error('the hop is gone');
  const failure = await (await attempt({ isClosed: true, lost })).outcome;
  assert(failure instanceof Dropped);
  assert.equal(failure.cause, lost);
});
