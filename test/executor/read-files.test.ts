/** Files are told as they are, or not at all. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Merger } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const NAME = { connection: 'git', project: 'web' };

test('a file whose contents are lost is no empty one, and hides no other: the repository is made anew', async () => {
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
