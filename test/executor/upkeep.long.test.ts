/** A gc of the cache, however long it takes, is in the way of nothing, and is done to its end. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { deflateSync } from 'node:zlib';
import { leakCheck } from '../support/leak-check.js';
import { benchIn, until, valueOf } from './executors.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web', branch: 'main' };

/** Gives a repository more loose objects than git leaves lying about. */
function litter(gitDir: string): void {
  const folder = join(gitDir, 'objects/17');
  mkdirSync(folder, { recursive: true });
  for (let at = 0, made = 0; made < 30; at++) {
    const bytes = `blob ${String(String(at).length)}\0${String(at)}`;
    const id = createHash('sha1').update(bytes).digest('hex');
    if (!id.startsWith('17')) continue;
    writeFileSync(join(folder, id.slice(2)), deflateSync(bytes));
    made++;
  }
}

/** A gc that notes its beginning, and works once a file is there. */
function slowGc(workshop: Workshop): { program: string; begun(): number; go(): void } {
  const [begun, go] = [join(workshop.folder, 'begun'), join(workshop.folder, 'go')];
  const temporary = join(workshop.gitDir('web'), 'objects/pack/tmp_pack_of_gc');
  const wait = `while [ ! -e ${go} ]; do sleep 0.02; done`;
  const script = `touch ${temporary}; echo x >>${begun}; ${wait}; rm ${temporary} || exit 1`;
  return {
    program: workshop.insteadOf('gc', script),
    begun: () => (existsSync(begun) ? readFileSync(begun, 'utf8').split('\n').length - 1 : 0),
    go: () => writeFileSync(go, ''),
  };
}

test('while a gc runs, updates, merges and jobs are done, and the gc goes on to its end', async () => {
  const workshop = new Workshop();
  const web = workshop.remote('web');
  const gc = slowGc(workshop);
  const lines: string[] = [];
  const log = { debug() {}, info() {}, warn: (line: string) => void lines.push(line), error() {} };
  await using all = benchIn(workshop, {}, { log, git: { program: gc.program } });
  const { executor, jobs } = all;
  await workshop.cache().update(WEB);
  litter(workshop.gitDir('web'));
  await executor.update(WEB);
  await until('a gc', () => gc.begun() === 1);
  const ref = web.change('a', { 'a.txt': 'a' });
  web.commit({ 'b.txt': 'b' });
  // What a killed command has left is removed all the same.
  writeFileSync(join(workshop.gitDir('web'), 'refs/heads/main.lock'), '');
  await executor.update(WEB);
  const { branches } = valueOf(await jobs.submit('merger:merge', { items: [{ ...WEB, ref }] }));
  const done = await jobs.submit('executor:execute', { projects: branches, commands: ['cat git/web/[ab].txt'] });
  assert.equal(valueOf(done).commands[0]?.result.stdout, 'ab');
  assert.deepEqual([gc.begun(), lines], [1, ['repo_cache: repairing a repository of the cache']]);
  gc.go();
  const hasPacks = (): boolean => /^packs: [1-9]/m.test(git(workshop.gitDir('web'), 'count-objects', '-v'));
  const isOver = (): boolean => hasPacks() && !existsSync(join(workshop.gitDir('web'), 'gc.pid'));
  await until('the end of the gc', isOver);
  await executor.update(WEB);
  assert.deepEqual([gc.begun(), lines.length], [1, 1], 'there is no other gc so soon');
  assert.ok(hasPacks());
});

test('the close of an executor ends a gc, and so does what removes its repository', async () => {
  const workshop = new Workshop();
  workshop.remote('web');
  const gc = slowGc(workshop);
  const withGc = { git: { program: gc.program } };
  const cache = workshop.cache(withGc);
  await workshop.cache().update(WEB);
  await cache.update(WEB);
  await until('a gc', () => gc.begun() === 1);
  await cache.free(WEB);
  assert.deepEqual(readdirSync(join(workshop.cacheFolder, 'git')), []);
  await cache.update(WEB);
  await using all = benchIn(workshop, {}, withGc);
  await all.executor.update(WEB);
  await until('another gc', () => gc.begun() === 2);
  // That no process of it is left is what the check of leaks finds.
  await all.executor.close();
});
