/** Which credentials a server is offered, in which order, and what is said when none will do. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import type { AuthContext } from 'ssh2';
import { Answers } from '../../../../src/queue/round/answers.js';
import type { KeyboardChallenge } from '../../../../src/queue/transport/ssh/prompt-answers.js';
import { startSshServer } from '../../../../src/testing/ssh-server.js';
import { TransportError } from '../../../../src/queue/transport/transport.js';
import { leakCheck } from '../../../support/leak-check.js';
import { startSshd } from '../../../support/sshd.js';
import { close, openSession, refusal } from './agent-session.js';
import { startLoginServer } from './login-server.js';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-authentication-'));
  await chmod(folder, 0o755);
});
after(() => rm(folder, { recursive: true }));
leakCheck();

function keyFile(name: string, ...args: string[]): string {
  const path = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-a', '1', '-N', '', '-f', path, ...args]);
  return path;
}

function publicKeyOf(path: string): string {
  return readFileSync(`${path}.pub`, 'utf8');
}

/** Takes one method after the other: each with what the server then still wants. */
function inOrder(...methods: AuthContext['method'][]): (context: AuthContext) => void {
  const done = new Set<string>();
  return context => {
    const [wanted, ...later] = methods.filter(method => !done.has(method));
    if (wanted === undefined || context.method !== wanted) {
      context.reject([wanted ?? 'none'] as never[]);
      return;
    }
    done.add(context.method);
    if (later.length === 0) context.accept();
    else context.reject([later[0]] as never[], true);
  };
}

function asking(prompts: { prompt: string; echo: boolean }[], isRight: (answers: string[]) => boolean) {
  return (context: AuthContext): void => {
    if (context.method !== 'keyboard-interactive') context.reject(['keyboard-interactive']);
    else {
      context.prompt(prompts, 'Title', 'Read this', answers => {
        if (isRight(answers)) context.accept();
        else context.reject(['keyboard-interactive']);
      });
    }
  };
}

test('questions of the server are answered by the function, with their text and echo', async () => {
  const prompts = [
    { prompt: 'Name: ', echo: true },
    { prompt: 'Code: ', echo: false },
  ];
  await using server = await startLoginServer(asking(prompts, answers => answers.join() === 'me,123'));
  const asked: KeyboardChallenge[] = [];
  const keyboardInteractive = (challenge: KeyboardChallenge): string[] => {
    asked.push(challenge);
    return ['me', '123'];
  };
  await close(await openSession({ ...server.options, keyboardInteractive }));
  assert.deepEqual(asked, [
    {
      name: 'Title',
      instructions: 'Read this',
      prompts: [
        { text: 'Name: ', echo: true },
        { text: 'Code: ', echo: false },
      ],
    },
  ]);
});

const ONE_SECRET = [{ prompt: 'Password: ', echo: false }];

test('a password answers a server that takes it as the answer to a question only', async () => {
  await using server = await startLoginServer(asking(ONE_SECRET, answers => answers.join() === 'open sesame'));
  await close(await openSession({ ...server.options, password: 'open sesame' }));
  assert.deepEqual(server.tried, ['password', 'keyboard-interactive']);
});

test('a wrong password is sent once, and not again as the answer to a question', async () => {
  await using server = await startLoginServer(context => {
    context.reject(['password', 'keyboard-interactive']);
  });
  const error = await refusal({ ...server.options, password: 'hunter2' });
  assert.equal(error.kind, 'auth');
  assert.match(
    error.message,
    /tried: password; the server accepts: password, keyboard-interactive; it said: Unauthorized use is watched\.; give identity/,
  );
  assert.deepEqual(server.tried, ['password']);
});

test('a refused login names the key that ssh would try, and the ways to log in as ssh does', async t => {
  const { HOME } = process.env;
  t.after(() => {
    process.env['HOME'] = HOME;
  });
  process.env['HOME'] = await mkdtemp(join(folder, 'home-'));
  await using server = await startLoginServer(context => context.reject(['publickey']));
  const asSsh = "or a user other than \\S+, or use SshDrone\\.fromSshConfig\\('\\S+'\\) to log in as ssh does$";
  const without = await refusal({ ...server.options, password: 'hunter2' });
  assert.match(without.message, new RegExp(`; give identity, a private key, ${asSsh}`));

  await mkdir(join(process.env['HOME'], '.ssh'));
  await writeFile(join(process.env['HOME'], '.ssh/id_ecdsa'), 'not even read');
  const withKey = await refusal({ ...server.options, password: 'hunter2' });
  assert.match(withKey.message, new RegExp(`; give identity: '~/\\.ssh/id_ecdsa', which ssh would try, ${asSsh}`));
  const given = await refusal({ ...server.options, identity: '~/.ssh/id_ecdsa' });
  assert.match(given.message, /; give identity, a private key, /);
});

for (const [what, keyboardInteractive, says] of [
  ['throws', () => Promise.reject(new Error('no one to ask')), /keyboard-interactive \(no one to ask\)/],
  ['gives too few answers', () => [], /keyboardInteractive returned 0 answers for 1 prompts/],
  [
    'gives no list',
    () => 'hunter2' as unknown as string[],
    /keyboardInteractive returned something other than a list of strings for 1 prompts/,
  ],
] as const) {
  test(`a function for questions that ${what} fails the login with auth`, async () => {
    await using server = await startLoginServer(asking(ONE_SECRET, () => true));
    const error = await refusal({ ...server.options, keyboardInteractive });
    assert.equal(error.kind, 'auth');
    assert.match(error.message, says);
    assert(!error.message.includes('hunter2'));
    assert(error.cause instanceof Error && error.message.includes(error.cause.message));
  });
}

test('more questions than a password can answer fail with auth and say what is missing', async () => {
  const prompts = [...ONE_SECRET, { prompt: 'Code: ', echo: false }];
  await using server = await startLoginServer(asking(prompts, () => true));
  const error = await refusal({ ...server.options, password: 'hunter2' });
  assert.equal(error.kind, 'auth');
  assert.match(error.message, /asks for more than a password, and keyboardInteractive is not set/);
});

for (const methods of [
  ['publickey', 'password'],
  ['password', 'publickey'],
  ['publickey', 'keyboard-interactive'],
] as const) {
  test(`a server that wants ${methods.join(' and then ')} gets them in its order`, async () => {
    const decide = inOrder(...methods);
    await using server = await startLoginServer(context => {
      if (context.method === 'keyboard-interactive') {
        context.prompt(ONE_SECRET, () => {
          decide(context);
        });
      } else if (context.method === 'publickey' && context.signature === undefined) {
        // A question whether the key would do, which is not an attempt.
        if (server.tried.includes('password') || methods[0] === 'publickey') context.accept();
        else context.reject(['password']);
      } else decide(context);
    });
    const keyboardInteractive = methods[1] === 'keyboard-interactive' ? () => ['yes'] : undefined;
    const identity = keyFile(methods.join('-'));
    await close(await openSession({ ...server.options, identity, password: 'pw', keyboardInteractive }));
  });
}

test('sshd that wants a key and then another one gets both', async () => {
  const [first, second] = [keyFile('first-of-two'), keyFile('second-of-two', '-t', 'rsa', '-b', '2048')];
  const authorized = join(folder, 'authorized-two');
  execFileSync('sh', ['-c', `cat ${first}.pub ${second}.pub > ${authorized}`]);
  await using sshd = await startSshd({
    AuthenticationMethods: 'publickey,publickey',
    AuthorizedKeysFile: authorized,
  });
  await close(await openSession({ ...sshd.droneOptions(), identity: [second, first] }));
  const error = await refusal({ ...sshd.droneOptions(), identity: [first], password: 'pw' });
  assert.equal(error.kind, 'auth');
});

test('sshd that takes only a password refuses a key, and its failure tells what it takes', async () => {
  await using sshd = await startSshd({ PubkeyAuthentication: 'no', PasswordAuthentication: 'yes' });
  const error = await refusal({ ...sshd.droneOptions(), password: 'hunter2' });
  assert.equal(error.kind, 'auth');
  assert.match(error.message, /tried: key \S+, password; the server accepts: password; give identity/);
});

test('sshd that takes only ed25519 keys lets one in after another type was refused', async () => {
  const authorized = join(folder, 'authorized-types');
  const [rsa, ed25519] = [keyFile('of-rsa', '-t', 'rsa', '-b', '2048'), keyFile('of-ed25519')];
  execFileSync('sh', ['-c', `cat ${rsa}.pub ${ed25519}.pub > ${authorized}`]);
  await using sshd = await startSshd({ PubkeyAcceptedAlgorithms: 'ssh-ed25519', AuthorizedKeysFile: authorized });
  await close(await openSession({ ...sshd.droneOptions(), identity: [rsa, ed25519] }));
  assert.match((await refusal({ ...sshd.droneOptions(), identity: rsa })).message, /tried: key \S+of-rsa/);
});

test('a banner before the login changes nothing', async () => {
  const banner = join(folder, 'banner');
  execFileSync('sh', ['-c', `seq 500 > ${banner}`]);
  await using sshd = await startSshd({ Banner: banner });
  const session = await openSession(sshd.droneOptions(), { input: Buffer.from('hello') });
  assert.equal(String(await session.received(5)), 'hello');
  await close(session);
});

for (const [format, args] of [
  ['the OpenSSH format', []],
  ['the PEM format', ['-t', 'rsa', '-b', '2048', '-m', 'PEM']],
] as const) {
  test(`a key with a passphrase in ${format} is opened with text, or with what a function gives`, async () => {
    const identity = keyFile(`locked-${format.split(' ')[1] ?? ''}`, ...args, '-N', 'secret');
    await using server = await startSshServer({ authorizedKeys: [publicKeyOf(identity)] });
    const options = { ...server.droneOptions(), identity };
    await close(await openSession({ ...options, passphrase: 'secret' }));
    const asked: string[] = [];
    const passphrase = (path: string): Promise<string> => {
      asked.push(path);
      return Promise.resolve('secret');
    };
    const answers = new Answers();
    const sessions = await Promise.all([1, 2, 3].map(() => openSession({ ...options, passphrase }, { answers })));
    await Promise.all(sessions.map(close));
    assert.deepEqual(asked, [identity]);
    const error = await refusal({ ...options, passphrase: 'hunter2' });
    assert.equal(error.kind, 'auth');
    assert.match(error.message, /tried: key \S+ \(.*the passphrase is wrong\)/);
    assert(!error.message.includes('hunter2'));
  });
}

test('the passphrase of a key that the server does not want is not asked for', async () => {
  const identity = keyFile('unwanted', '-N', 'secret');
  await using server = await startSshServer({ password: 'pw' });
  const passphrase = (): never => assert.fail('asked');
  await close(await openSession({ ...server.droneOptions(), identity, passphrase, password: 'pw' }));
});

test('keys that cannot be opened are passed over, and the next credential logs in', async () => {
  const identity = [keyFile('closed', '-N', 'secret'), join(folder, 'missing')];
  await using server = await startSshServer({ password: 'pw', authorizedKeys: identity.slice(0, 1).map(publicKeyOf) });
  const options = { ...server.droneOptions(), identity, password: 'pw' };
  await close(await openSession(options));
  await close(await openSession({ ...options, passphrase: 'hunter2' }));
  await close(await openSession({ ...options, passphrase: () => Promise.reject(new Error('not now')) }));
  const error = await refusal({
    ...options,
    password: undefined,
    passphrase: () => Promise.reject(new Error('not now')),
  });
  assert.equal(error.kind, 'auth');
  assert.match(error.message, /closed \(not opened: not now\), key \S+missing \(cannot be read: ENOENT\)/);
  assert.equal((error.cause as Error).message, 'not now');
});

test('an answer that never comes is the reason told when the time is up', async () => {
  const identity = keyFile('never', '-N', 'secret');
  await using server = await startSshServer({ authorizedKeys: [publicKeyOf(identity)] });
  const abort = new AbortController();
  const error = await refusal(
    {
      ...server.droneOptions(),
      identity,
      passphrase: () => {
        setImmediate(() => {
          abort.abort(new TransportError('timeout', 'no agent within 5 ms'));
        });
        return new Promise(() => undefined);
      },
    },
    { signal: abort.signal },
  );
  assert.equal(error.kind, 'auth');
  assert.match(error.message, /^drone@127\.0\.0\.1:\d+ waits for the passphrase of \S+never; no login within 5 ms$/);
});

test('of the keys in an ssh-agent, only those that are named are used when that is wanted', async () => {
  const [named, other] = [keyFile('named', '-N', 'secret'), keyFile('other')];
  await using server = await startLoginServer(context => {
    const isNamed = context.method === 'publickey' && publicKeyOf(named).includes(context.key.data.toString('base64'));
    if (isNamed) context.accept();
    else context.reject(['publickey']);
  });
  const agentSocket = join(folder, 'agent.sock');
  const agent: ChildProcess = spawn('ssh-agent', ['-D', '-a', agentSocket], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(agent.stdout as NonNullable<typeof agent.stdout>, 'data');
  try {
    const env = { ...process.env, SSH_AUTH_SOCK: agentSocket };
    const askPass = { SSH_ASKPASS: join(folder, 'say-secret'), SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':0' };
    execFileSync('sh', [
      '-c',
      `printf '#!/bin/sh\\necho secret\\n' > ${askPass.SSH_ASKPASS}; chmod 755 ${askPass.SSH_ASKPASS}`,
    ]);
    execFileSync('ssh-add', ['-q', other, named], { env: { ...env, ...askPass } });
    const options = { ...server.options, agentSocket };
    await close(await openSession({ ...options, identity: named, identitiesOnly: true }));
    // Once to ask and once to sign: the other key was not shown.
    assert.deepEqual(server.tried, ['publickey', 'publickey']);
    await close(await openSession({ ...options, identity: `${named}.pub`, identitiesOnly: true }));
    await close(await openSession(options));
    const error = await refusal({ ...options, identity: other, identitiesOnly: true });
    assert.match(error.message, /ssh-agent \S+ \(none of its 2 keys is left to try\)/);
  } finally {
    agent.kill();
    await once(agent, 'exit');
  }
});
