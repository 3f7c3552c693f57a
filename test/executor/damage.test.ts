/** The damages that were not mended once, and copies and remotes of other users. */
import assert from 'node:assert/strict';
import { chownSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { leakCheck } from '../support/leak-check.js';
import { DAMAGES, NAME, prepare, testDamage, works } from './damages.js';
import { Workshop } from './repositories.js';

leakCheck();

for (const what of ['packed-refs of zero bytes', 'an empty loose ref', 'a midx of zero bytes']) {
  const damage = DAMAGES[what];
  assert(damage);
  testDamage(what, damage);
}

test('a copy of another user, as of a former uid, is made anew', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const ref = prepare(remote);
  await works(workshop.cache(), ref);
  const gitDir = workshop.gitDir(NAME.project);
  // Only root may give files away.
  if (process.getuid?.() === 0) chownSync(gitDir, 12_345, 12_345);
  await works(workshop.cache(), ref);
  assert.equal(statSync(gitDir).uid, process.getuid?.());
});

test('a remote of another user is refused with the option that allows it, and with that it works', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const ref = prepare(remote);
  const dot = join(remote.folder, '.git');
  // What git's own tests use in place of another user.
  const env = { GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' };
  const strict = workshop.cache({ git: { env } });
  const message = /dubious ownership[^]*safeDirectories/;
  await assert.rejects(strict.update(NAME), { code: 'ERR_NO_REPOSITORY', message });
  for (const safe of [[remote.folder, dot], ['*']]) {
    const cache = workshop.cache({ git: { env, safeDirectories: safe } });
    await works(cache, ref);
    await cache.free(NAME);
  }
  assert.equal(existsSync(join(workshop.cacheFolder, '@gitconfig')), true);
  for (const safeDirectories of ['*', ['x'], ['/x\n[core]']])
    assert.throws(() => workshop.cache({ git: { safeDirectories } as never }), { code: 'ERR_INVALID_ARG' });
});
