/** Files are told as they are, or not at all. */
import assert from 'node:assert/strict';
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Merger } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const NAME = { connection: 'git', project: 'web' };

test('a file whose contents are lost is not an empty one, and hides no other: the repository is made anew', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  remote.commit({ 'a.txt': 'the text', 'b.txt': 'another' });
  const cache = workshop.cache();
  await cache.update(NAME);
  const gitDir = workshop.gitDir(NAME.project);
  const lost = git(gitDir, 'rev-parse', 'main:a.txt');
  // So few objects are not in a pack.
  rmSync(join(gitDir, 'objects', lost.slice(0, 2), lost.slice(2)));
  const texts = await new Merger(cache).getFiles(NAME, 'main', ['a.txt', 'b.txt']);
  assert.deepEqual(texts, { 'a.txt': 'the text', 'b.txt': 'another' });
});

test('a path with a tab in it is a file of its own', async () => {
  using workshop = new Workshop();
  workshop.remote(NAME.project).commit({ 'ci/a.yaml': 'true', 'ci/a.yaml\tx': 'false' });
  const cache = workshop.cache();
  await cache.update(NAME);
  const texts = await new Merger(cache).getFiles(NAME, 'main', ['ci/']);
  assert.deepEqual(texts, { 'ci/a.yaml': 'true', 'ci/a.yaml\tx': 'false' });
});

test('a symbolic link is read as the file that it leads to in its repository', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  remote.commit({ 'ci/drones.yaml': 'all', 'ci/jobs/a.yaml': 'a' });
  const link = (target: string, path: string): void => symlinkSync(target, join(remote.folder, path));
  link('ci/drones.yaml', 'drones.yaml');
  link('ci/jobs', 'drones.d');
  link('../drones.yaml', 'ci/again.yaml');
  remote.commit({});
  const cache = workshop.cache();
  await cache.update(NAME);
  const merger = new Merger(cache);
  assert.deepEqual(
    await merger.getFiles(NAME, 'main', ['drones.yaml', 'drones.d/', 'ci/', 'drones.d/a.yaml', 'none']),
    {
      'drones.yaml': 'all',
      'drones.d/a.yaml': 'a',
      'ci/drones.yaml': 'all',
      'ci/again.yaml': 'all',
      'ci/jobs/a.yaml': 'a',
      none: null,
    },
  );
});

const NOWHERE: readonly (readonly [target: string, why: RegExp])[] = [
  ['../outside', /drones\.yaml of git:web is a symbolic link that leads out of the repository/],
  ['/etc/passwd', /out of the repository/],
  ['missing', /to nothing/],
  ['drones.yaml', /in a circle/],
  ['README.md/x', /through a file/],
  ['ci', /to a directory/],
];

test('a symbolic link that leads to no file of its repository is named', async () => {
  for (const [target, message] of NOWHERE) {
    using workshop = new Workshop();
    const remote = workshop.remote(NAME.project);
    remote.commit({ 'ci/a.yaml': 'a' });
    symlinkSync(target, join(remote.folder, 'drones.yaml'));
    remote.commit({});
    const cache = workshop.cache();
    await cache.update(NAME);
    const read = new Merger(cache).getFiles(NAME, 'main', ['drones.yaml']);
    await assert.rejects(read, { name: 'ExecutorError', code: 'ERR_LINK', message }, target);
  }
});
