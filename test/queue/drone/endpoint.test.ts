import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';
import { endpointOf } from '../../../src/queue/drone/drone.js';
import { SshDrone } from '../../../src/queue/drone/ssh-drone.js';

test('a printed endpoint is its key, without what is in it', () => {
  const endpoint = endpointOf(new SshDrone('web1', { user: 'me', password: 'hunter2', env: { A: 'hunter2' } }));
  assert.match(
    inspect({ endpoint }, { depth: 20, showHidden: true }),
    /^\{ endpoint: Endpoint\(ssh:me@web1:22#[\w-]+\) \}$/,
  );
});

test('the functions of a drone and of the drones it is reached through are found by the key of the question', async () => {
  const passphrase = (path: string): string => `of ${path}`;
  const outer = new SshDrone('outer', { passphrase });
  const inner = new SshDrone('inner', { via: outer, keyboardInteractive: ({ prompts }) => prompts.map(() => 'inner') });
  const { spec, answers } = endpointOf(new SshDrone('web1', { via: ['first', inner], passphrase: () => 'of web1' }));
  const { asks, hops } = spec as unknown as Record<'asks', { key: string }> & { hops: { asks?: { key: string } }[] };
  const keys = [asks, ...hops.map(hop => hop.asks)].map(each => each?.key ?? 'none');
  assert.equal(answers.size, 3);
  const about = { kind: 'passphrase', path: '/k', challenge: { prompts: [{ text: '?' }] } };
  const given = await Promise.all(keys.map(key => answers.get(key)?.(about)));
  // A hop in a string is entered with the drone's own keys.
  assert.deepEqual(given, ['of web1', 'of web1', 'of /k', undefined]);
  const challenge = { ...about, kind: 'keyboard-interactive' };
  assert.deepEqual(answers.get(keys[3] ?? '')?.(challenge), ['inner']);
});
