/** What follows from git's words, and that nobody else's pass for them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { cureFor, GitError, isTransient, mayPass } from '../../src/executor/git-error.js';

function failed(words: string, exitCode: number | null = 128): GitError {
  return new GitError('ERR_GIT_FAILED', 'merge', 'failed', words, { exitCode });
}

const CURES: readonly (readonly [words: string, cure: string | undefined])[] = [
  ['fatal: bad object refs/heads/main', 'rebuild'],
  [
    'error: object file objects/ab/cd is empty\nfatal: loose object abcd (stored in objects/ab/cd) is corrupt',
    'rebuild',
  ],
  ["fatal: Unable to create '/x/web.git/index.lock': File exists.", 'unlock'],
  ['error: bad signature 0x00000000\nfatal: index file corrupt', 'unlock'],
  [
    'error: could not apply 1a2b3c4... Fix broken link in README\nCONFLICT (content): Merge conflict in a.md',
    undefined,
  ],
  ['error: could not apply 1a2b3c4... fatal: bad object', undefined],
  ['CONFLICT (add/add): Merge conflict in bad object\nerror: missing tree', undefined],
  ['remote: fatal: bad object of the server', undefined],
  ['error: The following untracked files would be overwritten by merge:\n\tloose object\nAborting', undefined],
  ['Auto-merging docs/missing blob', undefined],
];

for (const [words, cure] of CURES) {
  test(`the cure is ${cure ?? 'none'} for "${words.replaceAll('\n', ' / ')}"`, () => {
    assert.equal(cureFor(failed(words)), cure);
  });
}

test('a line that was cut off is not taken for another one', () => {
  const words = `error: could not apply 1a2b3c4... ${'x'.repeat(10)}fatal: bad object ${'y'.repeat(3958)}\nhint: more`;
  const { words: kept } = failed(words);
  assert.deepEqual([kept, cureFor(failed(words))], ['hint: more', undefined]);
});

test('what says nothing of a change may pass, and what does, does not', () => {
  const passing = [
    failed('fatal: unable to access: Could not resolve host: git.example'),
    failed('error: file write error: No space left on device'),
    failed('', null),
    new GitError('ERR_GIT_TIMEOUT', 'fetch', 'took longer', ''),
    new GitError('ERR_GIT_NOT_STARTED', 'fetch', '', '', { cause: Object.assign(new Error(), { code: 'EMFILE' }) }),
  ];
  for (const error of passing) assert.equal(mayPass(error), true, error.message);
  const lasting = [
    failed('CONFLICT (content): Merge conflict in Connection refused', 1),
    failed('error: could not apply 1a2b3c4... early EOF', 1),
    failed("fatal: couldn't find remote ref refs/changes/1"),
    new GitError('ERR_GIT_NOT_STARTED', 'fetch', '', '', { cause: Object.assign(new Error(), { code: 'ENOENT' }) }),
    new GitError('ERR_GIT_OUTPUT', 'fetch', 'wrote too much', ''),
    new Error('early EOF'),
  ];
  for (const error of lasting) assert.equal(mayPass(error) || isTransient(error), false, error.message);
});
