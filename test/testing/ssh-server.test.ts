/** The in-process SSH server, looked at with OpenSSH's own client. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { promisify } from 'node:util';
import { type SshServer, startSshServer } from '../../src/testing/ssh-server.js';
import { leakCheck } from '../support/leak-check.js';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-ssh-server-test-'));
});
after(() => rm(folder, { recursive: true }));
leakCheck();

interface Answer {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function argsFor(server: SshServer, identity = server.identity): Promise<string[]> {
  const knownHosts = join(folder, `hosts-${String(server.port)}`);
  await writeFile(knownHosts, `${server.knownHostsLine}\n`);
  const options = [`UserKnownHostsFile=${knownHosts}`, 'IdentitiesOnly=yes', 'IdentityAgent=none', 'BatchMode=yes'];
  const flags = options.flatMap(option => ['-o', option]);
  return ['-F', '/dev/null', ...flags, '-i', identity, '-p', String(server.port), `drone@${server.host}`];
}

async function ssh(server: SshServer, command: string, input = '', identity?: string): Promise<Answer> {
  const client = spawn('ssh', [...(await argsFor(server, identity)), command]);
  client.stdin.end(input);
  let stdout = '';
  let stderr = '';
  client.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  client.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code, signal] = (await once(client, 'close')) as [number | null, string | null];
  return { code, signal, stdout, stderr };
}

test('commands run with stdin, both outputs and their exit status', async () => {
  await using server = await startSshServer();
  const answer = await ssh(server, 'cat; echo oops >&2; exit 7', 'hello');
  assert.deepEqual(answer, { code: 7, signal: null, stdout: 'hello', stderr: 'oops\n' });
});

test('a command ended by a signal gets its name', async () => {
  await using server = await startSshServer();
  assert.equal((await ssh(server, 'kill -9 $$')).code, 255);
});

test('output of several megabytes arrives whole', async () => {
  await using server = await startSshServer();
  const { stdout } = await promisify(execFile)('ssh', [...(await argsFor(server)), 'head -c 5000000 /dev/zero'], {
    maxBuffer: 1e7,
  });
  assert.equal(stdout.length, 5_000_000);
});

test('only the own key, authorized ones and the right user get in', async () => {
  const other = join(folder, 'other');
  execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-f', other]);
  const publicKey = execFileSync('ssh-keygen', ['-y', '-f', other], { encoding: 'utf8' });
  {
    await using server = await startSshServer();
    assert.match((await ssh(server, 'true', '', other)).stderr, /Permission denied \(publickey\)/);
  }
  await using server = await startSshServer({ authorizedKeys: [publicKey] });
  assert.equal((await ssh(server, 'true', '', other)).code, 0);
  await using elsewhere = await startSshServer({ username: 'alice' });
  assert.match((await ssh(elsewhere, 'true')).stderr, /Permission denied/);
});

test('the fingerprint is the one that ssh-keygen shows', async () => {
  await using server = await startSshServer();
  const line = spawnSync('ssh-keygen', ['-l', '-f', '-'], { input: server.knownHostsLine, encoding: 'utf8' }).stdout;
  assert(line.includes(` ${server.hostKeyFingerprint} `), line);
});

test('it is a hop for other servers', async () => {
  await using hop = await startSshServer();
  await using server = await startSshServer({
    onExec: request => {
      request.stdout.write('far');
      request.exit(0);
    },
  });
  const proxy = ['ssh', ...(await argsFor(hop)).slice(0, -1), '-W', '%h:%p', `drone@${hop.host}`].join(' ');
  const [flag = '', path = '', ...rest] = await argsFor(server);
  const { stdout } = await promisify(execFile)('ssh', [flag, path, '-o', `ProxyCommand=${proxy}`, ...rest, 'any']);
  assert.equal(stdout, 'far');
  assert.equal(hop.connects, 1);
});

test('commands may be played by the test', async () => {
  await using server = await startSshServer({
    onExec: ({ command, stdout, stderr, exit }) => {
      stdout.write(command.toUpperCase());
      stderr.write('played');
      exit(command.length);
    },
  });
  assert.deepEqual(await ssh(server, 'abc'), { code: 3, signal: null, stdout: 'ABC', stderr: 'played' });
});

test('dropped connections are gone at both ends and new ones are welcome', async () => {
  await using server = await startSshServer();
  const client = spawn('ssh', [...(await argsFor(server)), 'echo up; cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(client.stdout, 'data');
  assert.deepEqual([server.connections, server.connects], [1, 1]);
  server.dropConnections();
  const [code] = (await once(client, 'exit')) as [number];
  assert.equal(code, 255);
  assert.equal((await ssh(server, 'true')).code, 0);
  assert.equal(server.connects, 2);
});

test('a paused server refuses newcomers, keeps the others, and comes back on its port', async () => {
  await using server = await startSshServer();
  const client = spawn('ssh', [...(await argsFor(server)), 'echo up; cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(client.stdout, 'data');
  const { port } = server;
  await server.pause();
  assert.match((await ssh(server, 'true')).stderr, /Connection refused/);
  client.stdin.end('still');
  assert.equal(String(((await once(client.stdout, 'data')) as [Buffer])[0]), 'still');
  await server.resume();
  assert.equal(server.port, port);
  assert.equal((await ssh(server, 'true')).code, 0);
});

test('closing ends commands that would live on, and removes the client key', async () => {
  const server = await startSshServer();
  const stubborn = 'trap "" TERM HUP; echo $$; while :; do sleep 1; done';
  const client = spawn('ssh', [...(await argsFor(server)), stubborn], { stdio: ['pipe', 'pipe', 'ignore'] });
  const [pid] = (await once(client.stdout, 'data')) as [Buffer];
  await server.close();
  await server.close();
  assert.throws(() => process.kill(Number(pid), 0), { code: 'ESRCH' });
  assert(!existsSync(server.identity));
  if (client.exitCode === null) await once(client, 'exit');
});

test('a port that is taken and a key that is none reject', async () => {
  await using server = await startSshServer();
  await assert.rejects(startSshServer({ port: server.port }), { code: 'EADDRINUSE' });
  await assert.rejects(startSshServer({ authorizedKeys: ['nonsense'] }), { code: 'ERR_INVALID_ARG' });
});
