import assert from 'node:assert/strict';
import test from 'node:test';
import { firstWords, holdsSeveral, withoutComments } from '../../src/store/statements.js';

test('the first words of a statement are found behind blanks, parentheses and comments', () => {
  const found: readonly [string, string][] = [
    ['select 1', 'SELECT 1'],
    ['  \n\t(( select  a from b)', 'SELECT A'],
    ['commit', 'COMMIT'],
    [';;commit;', 'COMMIT'],
    ['-- first\n-- second\n begin immediate', 'BEGIN IMMEDIATE'],
    ['/* a */ /* b */commit', 'COMMIT'],
    ['set/* a */local x = 1', 'SET LOCAL'],
    ['-- nothing else', ''],
    ['/* never ends', ''],
    ['', ''],
  ];
  for (const comments of ['flat', 'nested'] as const) {
    for (const [sql, words] of found) assert.equal(firstWords(sql, comments), words, `${comments}: ${sql}`);
  }
});

test('comments end where the database at hand ends them', () => {
  assert.equal(firstWords('/* /* */ commit', 'flat'), 'COMMIT');
  assert.equal(firstWords('/* /* */ commit', 'nested'), '');
  assert.equal(firstWords('/* /* */ */ commit', 'nested'), 'COMMIT');
  assert.equal(firstWords('-- a\rcommit', 'nested'), 'COMMIT');
  assert.equal(firstWords('-- a\rcommit', 'flat'), '');
  assert.equal(firstWords('-- a\r/*\ncommit', 'flat'), 'COMMIT');
});

test('several SQLite statements differ from one whose quotes, comments or triggers hold semicolons', () => {
  for (const sql of ['select 1; select 2', "select 'a';;delete from b", 'select 1; -- c\n delete from b', '; ; a; b']) {
    assert.equal(holdsSeveral(sql), true, sql);
  }
  for (const sql of [
    'select 1',
    'select 1;',
    'select 1; -- and no more; really',
    'select \'a;b\', "c;d", `e;f`, [g;h]',
    "select 'it''s; fine'",
    'select 1 /* ; select 2 */',
    'create trigger t after insert on a begin delete from b; delete from c; end',
  ]) {
    assert.equal(holdsSeveral(sql), false, sql);
  }
});

test('blanks take the place of comments, and of nothing that only looks like one', () => {
  assert.equal(withoutComments("/* a */ create -- b\n table 'c -- d' (e /* f */)"), "create  \n table 'c -- d' (e  )");
});
