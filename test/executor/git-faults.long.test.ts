/** Git, its servers and its disk at their worst: what was asked for fails in time and in words, and the next attempt works. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { Merger } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { until } from './executors.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const NAME = { connection: 'git', project: 'web' };

interface GitServer extends AsyncDisposable {
  readonly url: string;
  /** How many clients came. */
  visits(): number;
}

/** A server of the git protocol that does this with each client. */
async function gitServer(serve: (socket: Socket, visit: number) => void): Promise<GitServer> {
  let visits = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket, ++visits);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `git://127.0.0.1:${String(port)}/web`,
    visits: () => visits,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Serves the repositories in the directory, and hangs up after so many bytes. */
function serveRepositories(socket: Socket, folder: string, maxBytes: number): void {
  const args = ['daemon', '--inetd', '--export-all', `--base-path=${folder}`, folder];
  const child = spawn('git', args, { stdio: ['pipe', 'pipe', 'ignore'] });
  socket.pipe(child.stdin);
  child.stdin.on('error', () => undefined);
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes <= maxBytes) socket.write(chunk);
    else socket.destroy();
  });
  child.stdout.once('end', () => socket.end());
  // The output of a child that was hung up on is not read any more.
  socket.once('close', () => child.stdin.destroy());
}

test('a server that accepts and says nothing is given up in time, and what was there stays of use', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  await workshop.cache().update(NAME);
  await using server = await gitServer(socket => socket.resume());
  const cache = workshop.cache({ urlOf: () => server.url, git: { timeoutMs: 5000 } });
  await assert.rejects(cache.update(NAME), { code: 'ERR_GIT_TIMEOUT', command: 'fetch' });
  assert.equal(server.visits(), 1, 'a time limit is not tried again');
  const texts = await new Merger(workshop.cache()).getFiles(NAME, 'main', ['README.md']);
  assert.deepEqual(texts, { 'README.md': 'first\n' });
  assert.equal(git(workshop.gitDir(NAME.project), 'rev-parse', 'main'), remote.commitOf('main'));
});

test('a server that hangs up in the midst of a pack is asked again, and the third answer counts', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  remote.commit({ big: randomBytes(1 << 18).toString('hex') });
  await using server = await gitServer((socket, visit) => {
    serveRepositories(socket, dirname(remote.folder), visit < 3 ? 20_000 : Infinity);
  });
  await workshop.cache({ urlOf: () => server.url }).update(NAME);
  assert.equal(server.visits(), 3);
  assert.equal(git(workshop.gitDir(NAME.project), 'rev-parse', 'main'), remote.commitOf('main'));
});

test('a fetch that is killed in the midst of its pack leaves no lock, and the next one brings all', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  await workshop.cache().update(NAME);
  remote.commit({ big: randomBytes(1 << 20).toString('hex') });
  const once = join(workshop.folder, 'once');
  // index-pack is the child of git that writes the pack.
  const kill = `if mkdir ${once} 2>/dev/null; then (git "$@" & sleep 0.1; kill -KILL $! $$); fi`;
  const cache = workshop.cache({ git: { program: workshop.insteadOf('fetch', kill) } });
  await cache.update(NAME).catch((error: unknown) => assert.equal((error as { code?: string }).code, 'ERR_GIT_FAILED'));
  assert(existsSync(once));
  await cache.update(NAME);
  assert.equal(git(workshop.gitDir(NAME.project), 'rev-parse', 'main'), remote.commitOf('main'));
  git(workshop.gitDir(NAME.project), 'fsck', '--strict', '--connectivity-only');
});

/** Lets no file grow beyond so many blocks of 512 bytes, as a full disk does, while a file is there. */
function onFullDisk(workshop: Workshop, blocks: number): { readonly program: string; free(): void } {
  const full = join(workshop.folder, 'full');
  writeFileSync(full, '');
  const program = workshop.insteadOf('--literally-nothing', 'true');
  // The signal ignored, git hears of it as an error of its write.
  const limit = `[ -e ${full} ] && { trap '' XFSZ; ulimit -f ${String(blocks)}; }\nexec git "$@"`;
  writeFileSync(program, readFileSync(program, 'utf8').replace('exec git "$@"', limit));
  return { program, free: () => rmSync(full) };
}

test('a disk that is full during an update is an error in words, and when there is room the update works', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  await workshop.cache().update(NAME);
  const before = remote.commitOf('main');
  remote.commit({ big: randomBytes(1 << 18).toString('hex') });
  const disk = onFullDisk(workshop, 64);
  const cache = workshop.cache({ git: { program: disk.program } });
  await assert.rejects(cache.update(NAME), { code: 'ERR_GIT_FAILED', words: /File too large|write error|index-pack/ });
  assert.equal(git(workshop.gitDir(NAME.project), 'rev-parse', 'main'), before);
  disk.free();
  await cache.update(NAME);
  assert.equal(git(workshop.gitDir(NAME.project), 'rev-parse', 'main'), remote.commitOf('main'));
});

test('a disk that is full during a merge is "not merged" in words, and when there is room the merge works', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const ref = remote.change('big', { big: randomBytes(1 << 18).toString('hex') });
  remote.commit({ 'main.txt': 'm' });
  // All that is to be merged is here already, so that it is the merge that has no room.
  const first = await new Merger(workshop.cache()).mergeChanges([{ ...NAME, branch: 'main', ref }]);
  assert(first.ok);
  const disk = onFullDisk(workshop, 0);
  const merger = new Merger(workshop.cache({ git: { program: disk.program } }));
  const answer = await merger.mergeChanges([{ ...NAME, branch: 'main', ref }]);
  assert(!answer.ok);
  assert.match(answer.error.message, /File too large|write error|unable to write/);
  disk.free();
  const again = await merger.mergeChanges([{ ...NAME, branch: 'main', ref }], ['main.txt']);
  assert(again.ok, again.ok ? '' : again.error.message);
  assert.deepEqual(again.files, [{ 'main.txt': 'm' }]);
});

test('an object whose bytes have changed is found, and its repository made anew', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  remote.commit({ 'a.txt': 'the text of the file' });
  const cache = workshop.cache();
  await cache.update(NAME);
  const objects = join(workshop.gitDir(NAME.project), 'objects');
  for (const path of readdirSync(objects, { recursive: true, encoding: 'utf8' })) {
    if (!/\.pack$|^..\/.{38}$/.test(path)) continue;
    const bytes = readFileSync(join(objects, path));
    for (let at = 12; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) ^ 0x55;
    rmSync(join(objects, path));
    writeFileSync(join(objects, path), bytes);
  }
  assert.deepEqual(await new Merger(cache).getFiles(NAME, 'main', ['a.txt']), { 'a.txt': 'the text of the file' });
});

test('a remote that goes away while several merges wait for it fails each, and they are done when it is back', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const refs = ['a', 'b', 'c'].map(name => remote.change(name, { [`${name}.txt`]: name }));
  const cache = workshop.cache();
  await cache.update(NAME);
  const merger = new Merger(cache);
  const away = `${remote.folder}-away`;
  const merges = async (): Promise<boolean[]> =>
    Promise.all(refs.map(async ref => (await merger.mergeChanges([{ ...NAME, branch: 'main', ref }])).ok));
  renameSync(remote.folder, away);
  assert.deepEqual(await merges(), [false, false, false]);
  renameSync(away, remote.folder);
  assert.deepEqual(await merges(), [true, true, true]);
  await until('the end of all locks', () => cache.locks === 0);
});
