/** `origin/HEAD` of a workspace is the default branch of the remote as it is now. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { leakCheck } from '../support/leak-check.js';
import { benchIn, codeOf, valueOf } from './executors.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web', branch: 'main' };

test('origin/HEAD follows the default branch of the remote, also where several branches have its commit', async () => {
  const workshop = new Workshop();
  const { folder } = workshop.remote('web');
  await using all = benchIn(workshop);
  const look = async (): Promise<string | undefined> => {
    const commands = ['git -C git/web symbolic-ref refs/remotes/origin/HEAD || true'];
    const report = valueOf(await all.jobs.submit('executor:execute', { projects: [WEB], commands }));
    return report.commands[0]?.result.stdout.trim();
  };
  const head = (branch: string): string => git(folder, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`);
  assert.equal(await look(), 'refs/remotes/origin/main');
  // A damaged copy is made anew, also with what it has noted.
  writeFileSync(join(workshop.gitDir('web'), 'refs/heads/main'), '');
  assert.equal(await look(), 'refs/remotes/origin/main');
  git(folder, 'branch', 'master');
  assert.equal(await look(), 'refs/remotes/origin/main');
  git(folder, 'branch', 'trunk');
  head('trunk');
  assert.equal(await look(), 'refs/remotes/origin/trunk');
  git(folder, 'checkout', '--quiet', '-B', 'master');
  git(folder, 'commit', '--quiet', '--allow-empty', '-m', 'more');
  assert.equal(await look(), 'refs/remotes/origin/master');
  // A merge detaches the HEAD of the copy.
  const items = [{ ...WEB, ref: 'refs/heads/master' }];
  valueOf(await all.jobs.submit('merger:merge', { items }));
  head('main');
  git(folder, 'branch', '-D', 'master', 'trunk');
  assert.equal(await look(), 'refs/remotes/origin/main');
  git(folder, 'checkout', '--quiet', '--detach', 'main');
  git(folder, 'commit', '--quiet', '--allow-empty', '-m', 'nowhere');
  assert.equal(await look(), '');
  head('none');
  assert.equal(await look(), '');
});

test('an empty repository has no branch, and no HEAD that would be missed', async () => {
  const workshop = new Workshop();
  const folder = join(workshop.folder, 'empty');
  mkdirSync(folder);
  git(folder, 'init', '--quiet', '--bare');
  await using all = benchIn(workshop, {}, { urlOf: () => folder });
  await all.executor.update(WEB);
  assert.equal(codeOf(await all.jobs.submit('executor:execute', { projects: [WEB], commands: [] })), 'ERR_NO_REF');
});

test('a repository in a folder with spaces is copied, merged and cloned, and a branch HEAD is refused in words', async () => {
  const workshop = new Workshop();
  const name = { connection: 'my server', project: 'my group/my project', branch: 'main' };
  const remote = workshop.remote(name.project);
  const ref = remote.change('a', { 'a b.txt': 'a' });
  for (const url of [remote.folder, `file://${remote.folder}`]) {
    await using all = benchIn(new Workshop(), {}, { urlOf: () => url });
    const { branches } = valueOf(await all.jobs.submit('merger:merge', { items: [{ ...name, ref }] }));
    const report = valueOf(
      await all.jobs.submit('executor:execute', {
        projects: branches,
        commands: ['cat "my server/my group/my project/a b.txt"'],
      }),
    );
    assert.equal(report.commands[0]?.result.stdout, 'a', url);
    const head = await all.jobs.submit('executor:execute', { projects: [{ ...name, branch: 'HEAD' }], commands: [] });
    assert(!head.ok);
    assert.match(head.error.message, /branch.*'HEAD'.*a branch called HEAD/);
  }
  workshop.remove();
});
