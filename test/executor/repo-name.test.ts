/** No name from outside becomes an option, a command or a place outside of the cache. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  checkBranch,
  checkPath,
  checkRef,
  checkRepoName,
  checkUrl,
  folderOfRepo,
  stripCredentials,
} from '../../src/executor/repo-name.js';

const ID = 'a'.repeat(40);

const CASES: readonly (readonly [
  what: string,
  check: (text: string) => unknown,
  good: readonly string[],
  bad: readonly string[],
])[] = [
  [
    'URL',
    checkUrl,
    [
      'https://a.org/b',
      'http://u:p@a.org:80/b',
      'ssh://git@a/b',
      'git://a/b',
      'file:///a',
      '/a/b',
      'git@a.org:b/c',
      'a:b',
    ],
    [
      '--upload-pack=touch x',
      '-u',
      'ext::sh -c true',
      'fd::3',
      'https::a',
      'ssh://-oProxyCommand=x/b',
      'ssh://u@-oProxyCommand=x/b',
      'ssh://-o@a/b',
      '-oProxyCommand=x:b',
      'u@-o:b',
      'a:-b',
      '../a',
      'a',
      'ftp://a/b',
      'https://a.org',
      'https://a/b\nc',
      '',
    ],
  ],
  [
    'branch',
    checkBranch,
    ['main', 'a/b', 'v1.0', 'ä'],
    [
      '',
      '-f',
      '--upload-pack=x',
      '../a',
      'a/../b',
      'a..b',
      '/a',
      'a/',
      'a//b',
      '.a',
      'a/.b',
      'a.lock',
      'a.',
      '@',
      'a@{1}',
    ].concat(['a b', 'a:b', 'a~1', 'a^', 'a?', 'a*', 'a[', 'a\\b', 'a\u0000', 'a\n']),
  ],
  [
    'ref',
    checkRef,
    ['refs/heads/a', 'refs/pull/1/head', ID],
    ['main', 'HEAD', `-${ID}`, 'refs/../x', 'refs/a:refs/b', ID.slice(1)],
  ],
  [
    'path',
    checkPath,
    ['a', 'a/b.c', 'a/', '.a', '-'.padStart(2, 'a')],
    ['', '/', '/a', '../a', 'a/..', './a', 'a//b', '-a', 'a\n'],
  ],
  [
    'project',
    project => checkRepoName({ connection: 'c', project }),
    ['a', 'a/b', 'a.git', 'ä b'],
    ['', '..', 'a/.git/hooks', '../a', 'a/../b', '/a', 'a/', '-a', '.', 'a\\b', 'a\u0000', '\ud800', 'a'.repeat(300)],
  ],
  [
    'connection',
    connection => checkRepoName({ connection, project: 'p' }),
    ['a', 'github.com'],
    ['', 'a:b', 'a/b', '..', '-a'],
  ],
];

for (const [what, check, good, bad] of CASES) {
  test(`each good ${what} is taken, and each bad one refused`, () => {
    for (const text of good) assert.doesNotThrow(() => check(text), text);
    for (const text of bad) assert.throws(() => check(text), { code: 'ERR_INVALID_ARG' }, text);
  });
}

test('no repository lies in the folder of another', () => {
  const folders = ['a', 'a/b', 'a%2Fb'].map(project => folderOfRepo({ connection: 'c', project }));
  assert.deepEqual(folders, ['c/a', 'c/a%2Fb', 'c/a%252Fb']);
});

test('passwords in URLs are not shown', () => {
  assert.equal(
    stripCredentials("fatal: 'https://u:p@a.org/b' and ssh://x@c/d"),
    "fatal: 'https://a.org/b' and ssh://c/d",
  );
  assert.equal(stripCredentials('https://u:p@ss@a.org/b'), 'https://a.org/b');
  assert.throws(
    () => checkUrl('ftp://u:hush@a.org/b'),
    error => !String(error).includes('hush'),
  );
});
