/** `getDrone`, and what a drone's name may be: a wrong one is refused where it is given, with the mend. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { endpointOf } from '../../../src/queue/drone/drone.js';
import { getDrone } from '../../../src/queue/drone/get-drone.js';
import { LocalDrone } from '../../../src/queue/drone/local-drone.js';
import { SshDrone } from '../../../src/queue/drone/ssh-drone.js';

/** As in JavaScript, or of a name from a configuration: the types do not know it. */
const LOCALHOST = 'localhost' as string;
const utility = new URL('file:///own.js');

test('localhost is this machine, and takes the options of this machine', () => {
  const drone = getDrone('localhost', { utility, env: { A: 'b' } });
  assert(drone instanceof LocalDrone);
  assert.equal(endpointOf(drone).spec.utility, utility.href);
  assert.deepEqual(endpointOf(drone).spec.env, { A: 'b' });
});

test('every other name is a host over SSH', () => {
  for (const name of ['web1', '127.0.0.1', '::1', 'fe80::1%eth0']) assert(getDrone(name) instanceof SshDrone, name);
});

const ofSsh = [
  { port: 2222, user: 'deploy' },
  { host: '127.0.0.1' },
  { via: 'bastion' },
  { password: 'secret' },
  { agent: 'none' },
] as const;

for (const options of ofSsh) {
  const names = Object.keys(options).join(', ');
  test(`localhost with ${names} is refused, and runs nothing here`, () => {
    assert.throws(() => getDrone(LOCALHOST, { ...options, env: {} }), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG',
      message:
        `getDrone('localhost') takes no ${names}: it is this machine, reached without SSH; ` +
        `for an SSH server here use new SshDrone('localhost', { ${names} })`,
    });
  });
}

test('options of SSH that are undefined do not count, and misspelt ones are refused', () => {
  assert(getDrone(LOCALHOST, { port: undefined, user: undefined }) instanceof LocalDrone);
  const misspelt = { utilty: utility } as object;
  assert.throws(() => getDrone(LOCALHOST, misspelt), {
    code: 'ERR_INVALID_ARG',
    message: /^unknown option 'utilty' \(did you mean 'utility'\?\)/,
  });
});

const EXPECTED = 'a host name or an IP address without brackets';
const addresses: readonly (readonly [text: string, mend: string, shown?: string])[] = [
  ['127.0.0.1:2222', "'127.0.0.1' with the options { port: 2222 }"],
  ['localhost:2222', "'localhost' with the options { port: 2222 }"],
  ['deploy@web1', "'web1' with the options { user: 'deploy' }"],
  ['deploy@web1:2222', "'web1' with the options { user: 'deploy', port: 2222 }"],
  ['[::1]:22', "'::1' with the options { port: 22 }"],
  ['[::1]', "'::1'"],
  ['ssh://deploy@web1', "'web1' with the options { user: 'deploy' }"],
  ['deploy:secret@web1', "'web1' with the options { user: … }", '…@web1'],
];

for (const [text, mend, shown = text] of addresses) {
  test(`the name ${text} is refused with the options to give`, async () => {
    const invalid = (field: string, expected = EXPECTED) => ({
      code: 'ERR_INVALID_ARG',
      message: `${field} is '${shown}', expected ${expected}: ${mend}`,
    });
    assert.throws(() => getDrone(text), invalid('hostname'));
    assert.throws(() => new SshDrone(text), invalid('hostname'));
    assert.throws(() => new SshDrone('web1', { host: text }), invalid('host'));
    await assert.rejects(SshDrone.fromSshConfig(text), invalid('name', 'the name of a host in ssh_config'));
  });
}

test('a name that is not an address at all is refused without a guess', () => {
  for (const name of ['', 'a b', 'web1:', 'web1:ssh', '1:2:3', '@web1', 'a/b']) {
    const message = `hostname is '${name}', expected ${EXPECTED}`;
    assert.throws(() => new SshDrone(name), { code: 'ERR_INVALID_ARG', message });
  }
});
