/** Writing known_hosts, among others who write it. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test, { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { KnownHosts } from '../../../../src/queue/transport/ssh/known-hosts.js';
import { addKnownHost, lockKnownHosts } from '../../../../src/queue/transport/ssh/known-hosts-file.js';
import { startSshServer } from '../../../../src/testing/ssh-server.js';
import { leakCheck } from '../../../support/leak-check.js';
import { close, openSession } from './agent-session.js';
import { keyBlob } from './known-hosts-lines.js';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-known-hosts-file-'));
});
after(() => rm(folder, { recursive: true }));
leakCheck();

const A = keyBlob(1);
const B = keyBlob(2);

test('a new host is added in a line of its own to a file that only its owner reads', async () => {
  const path = join(folder, 'fresh', 'known_hosts');
  {
    await using _lock = await lockKnownHosts(path, new AbortController().signal);
    await addKnownHost(path, 'Web1', 22, A);
    await addKnownHost(path, '::1', 2222, B);
  }
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(folder, 'fresh'))).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(join(folder, 'fresh')), ['known_hosts']);
  const text = `web1 ssh-ed25519 ${A.toString('base64')}\n[::1]:2222 ssh-ed25519 ${B.toString('base64')}\n`;
  assert.equal(await readFile(path, 'utf8'), text);
});

test('many hosts added at once all arrive whole, also without a lock', async () => {
  const path = join(folder, 'crowd');
  await Promise.all(Array.from({ length: 50 }, (_, at) => addKnownHost(path, `web${String(at)}`, 22, A)));
  const hosts = await KnownHosts.load([path]);
  for (let at = 0; at < 50; at++) {
    assert.equal(hosts.check(`web${String(at)}`, 22, 'ssh-ed25519', A).status, 'known');
  }
});

test('one holds the lock at a time, and the next gets it when it is given back', async () => {
  const path = join(folder, 'locked');
  let holders = 0;
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      await using _lock = await lockKnownHosts(path, new AbortController().signal);
      assert.equal(++holders, 1);
      await new Promise(setImmediate);
      holders--;
    }),
  );
  assert.deepEqual(
    (await readdir(folder)).filter(name => name.startsWith('locked')),
    [],
  );
});

test('a lock that a dead process has left is taken over', async () => {
  const path = join(folder, 'left');
  await writeFile(`${path}.lock`, '');
  await utimes(`${path}.lock`, 1, 1);
  await using _lock = await lockKnownHosts(path, new AbortController().signal);
});

test('what is not a file needs no lock', async () => {
  await using _lock = await lockKnownHosts('/dev/null', new AbortController().signal);
  await addKnownHost('/dev/null', 'web1', 22, A);
});

test('processes that meet a new host at once record it once, and another key there goes unnoticed by none', async () => {
  const knownHosts = join(folder, 'shared');
  await writeFile(knownHosts, '# a last line without an end');
  const [real, other] = [await startSshServer(), await startSshServer()];
  const children: ChildProcess[] = [];
  try {
    const program = fileURLToPath(new URL('programs/record-program.js', import.meta.url));
    // By the alias both servers are the same host, with two keys.
    const ready = [real, other, real, other].map(async server => {
      const options = { ...server.droneOptions(), hostKeys: 'accept-new', hostKeyAlias: 'web1', knownHosts };
      const args = [program, JSON.stringify(options)];
      const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      children.push(child);
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      assert.equal((await lines.next()).value, 'ready');
      return { server, child, lines };
    });
    const waiting = await Promise.all(ready);
    for (const { child } of waiting) child.stdin.end('go\n');
    const told = await Promise.all(
      waiting.map(async ({ server, lines }) => ({ server, told: String((await lines.next()).value) })),
    );
    const winners = new Set(told.filter(each => each.told === 'in').map(({ server }) => server));
    assert.equal(winners.size, 1, JSON.stringify(told.map(each => each.told)));
    const [winner] = winners;
    for (const each of told) assert.equal(each.told, each.server === winner ? 'in' : 'ERR_HOST_KEY_CHANGED');
    const key = winner?.knownHostsLine.replace(/^\S+/, 'web1') ?? '';
    assert.equal(await readFile(knownHosts, 'utf8'), `# a last line without an end\n${key}\n`);
    const options = {
      ...(winner ?? real).droneOptions(),
      hostKeys: 'strict',
      hostKeyAlias: 'web1',
      knownHosts,
    } as const;
    await close(await openSession(options));
  } finally {
    for (const child of children) if (child.exitCode === null) await once(child, 'exit');
    await real.close();
    await other.close();
  }
});
