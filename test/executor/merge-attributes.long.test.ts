/** What `.gitattributes` say of work trees never decides about a merge; what they say of merging does. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type MergeMode, Merger } from 'drone-task-queue/executor';
import { leakCheck } from '../support/leak-check.js';
import { git, type Remote, Workshop } from './repositories.js';

leakCheck();

const NAME = { connection: 'git', project: 'web' };
const MODES: readonly MergeMode[] = ['merge', 'squash-merge', 'cherry-pick', 'rebase'];
const WAYS = { 'without a work tree': undefined, 'in a work tree': `echo 'git version 2.37.9'; exit 0` } as const;

/** Stored as they are, which no conversion would have made of any work tree. */
const STORED: Readonly<Record<string, string>> = {
  'text.txt': 'one\r\ntwo\r\n',
  'eol.txt': 'one\r\ntwo\n',
  'ident.txt': '$Id: 0123 $\n',
  'utf16.txt': 'not of that encoding\n',
  'filter.txt': 'as it is\n',
};
const ATTRIBUTES = [
  'text.txt text',
  'eol.txt text eol=crlf',
  'ident.txt ident',
  'utf16.txt text working-tree-encoding=UTF-16LE-BOM',
  'filter.txt filter=none',
];

/** Commits blobs and attributes without conversion. */
function store(remote: Remote): void {
  const add = (path: string, text: string): void => {
    const file = join(remote.folder, 'stored');
    writeFileSync(file, text);
    const id = git(remote.folder, 'hash-object', '-w', '--no-filters', file);
    git(remote.folder, 'update-index', '--add', '--cacheinfo', `100644,${id},${path}`);
  };
  for (const [path, text] of Object.entries(STORED)) add(path, text);
  add('.gitattributes', `${ATTRIBUTES.join('\n')}\n`);
  git(remote.folder, 'commit', '--quiet', '-m', 'stored');
}

/** On top of a commit, with plumbing, so that the remote's own work tree converts nothing. */
function changeOf(remote: Remote, from: string, path: string, text: string): string {
  const file = join(remote.folder, 'stored');
  writeFileSync(file, text);
  const id = git(remote.folder, 'hash-object', '-w', '--no-filters', file);
  git(remote.folder, 'read-tree', from);
  git(remote.folder, 'update-index', '--add', '--cacheinfo', `100644,${id},${path}`);
  return git(remote.folder, 'commit-tree', '-m', path, '-p', from, git(remote.folder, 'write-tree'));
}

for (const [how, version] of Object.entries(WAYS)) {
  test(`files that attributes would convert are merged as they are stored, ${how}`, async () => {
    using workshop = new Workshop();
    const remote = workshop.remote(NAME.project);
    store(remote);
    const first = git(remote.folder, 'rev-parse', 'HEAD');
    const change = changeOf(remote, first, 'other.txt', 'other\n');
    git(remote.folder, 'update-ref', 'refs/changes/a', change);
    git(remote.folder, 'update-ref', 'refs/heads/main', changeOf(remote, first, 'text.txt', 'one\r\ntwo\r\nthree\r\n'));
    const program = version === undefined ? 'git' : workshop.insteadOf('version', version);
    const merger = new Merger(workshop.cache({ git: { program } }));
    for (const mode of MODES) {
      const items = [{ ...NAME, branch: 'main', ref: 'refs/changes/a', mode }];
      const answer = await merger.mergeChanges(items, [...Object.keys(STORED), 'other.txt']);
      assert(answer.ok, answer.ok ? '' : `${mode}: ${answer.error.message}`);
      const expected = { ...STORED, 'text.txt': 'one\r\ntwo\r\nthree\r\n', 'other.txt': 'other\n' };
      assert.deepEqual(answer.files, [expected], mode);
    }
  });

  test(`a merge driver that attributes name in any folder is used, ${how}`, async () => {
    using workshop = new Workshop();
    const remote = workshop.remote(NAME.project);
    remote.commit({ 'sub/.gitattributes': 'log.txt merge=union\n', 'sub/log.txt': 'first\n' });
    const ref = remote.change('a', { 'sub/log.txt': 'first\nof the change\n' });
    remote.commit({ 'sub/log.txt': 'first\nof main\n' });
    const program = version === undefined ? 'git' : workshop.insteadOf('version', version);
    const merger = new Merger(workshop.cache({ git: { program } }));
    for (const mode of MODES) {
      const answer = await merger.mergeChanges([{ ...NAME, branch: 'main', ref, mode }], ['sub/log.txt']);
      assert(answer.ok, answer.ok ? '' : `${mode}: ${answer.error.message}`);
      assert.match(
        answer.files?.[0]?.['sub/log.txt'] ?? '',
        /^first\n(of main\nof the change|of the change\nof main)\n$/,
      );
    }
  });
}

test('picked and rebased commits keep their authors and messages, byte for byte, and a merge its parents', async () => {
  using workshop = new Workshop();
  const remote = workshop.remote(NAME.project);
  const first = remote.commitOf('main');
  const tree = git(remote.folder, 'rev-parse', `${changeOf(remote, first, 'a.txt', 'a\n')}^{tree}`);
  const header = `tree ${tree}\nparent ${first}\nauthor M\xfcller <m@x> 1700000000 +0530\ncommitter C <c@x> 1700000001 +0000`;
  const file = join(workshop.folder, 'commit');
  writeFileSync(file, Buffer.from(`${header}\nencoding ISO-8859-1\n\nsubject \xe4\n\n# kept\n\n\n`, 'latin1'));
  const change = git(remote.folder, 'hash-object', '-t', 'commit', '-w', file);
  git(remote.folder, 'update-ref', 'refs/changes/a', change);
  git(remote.folder, 'reset', '--quiet', '--hard');
  const base = remote.commit({ 'main.txt': 'm' });
  const merger = new Merger(workshop.cache());
  const made = async (mode: MergeMode): Promise<string> => {
    const answer = await merger.mergeChanges([{ ...NAME, branch: 'main', ref: 'refs/changes/a', mode }]);
    assert(answer.ok, answer.ok ? '' : answer.error.message);
    return git(
      workshop.gitDir(NAME.project),
      '-c',
      'i18n.logOutputEncoding=UTF-8',
      'show',
      '-s',
      '--format=%P|%an|%ad|%B',
      answer.commit,
    );
  };
  const kept = `${base}|Müller|Wed Nov 15 03:43:20 2023 +0530|subject ä\n\n# kept`;
  assert.equal(await made('cherry-pick'), kept);
  assert.equal(await made('rebase'), kept);
  assert.match(await made('merge'), new RegExp(`^${base} ${change}\\|drone-task-queue\\|`));
});
