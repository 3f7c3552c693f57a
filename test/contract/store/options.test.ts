/** What a store and its sections cannot be told, and packages that are not there. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Store, type StoreOptions } from 'drone-task-queue/store';
import { runWithPackagesOnly } from '../../support/lacking-packages.js';
import { leakCheck } from '../../support/leak-check.js';
import { rejectionOf } from '../rejections.js';
import { idsOf, openItems } from './items.js';

leakCheck();

async function complaintOf(promise: Promise<unknown>): Promise<string> {
  const error = await rejectionOf(promise);
  assert.ok(error instanceof TypeError, String(error));
  assert.equal((error as { code?: unknown }).code, 'ERR_INVALID_ARG');
  return error.message;
}

const BAD: readonly (readonly [options: unknown, message: RegExp])[] = [
  [undefined, /^typeof options is 'undefined', expected 'object'$/],
  [null, /^typeof options is 'null'/],
  ['farm.db', /^typeof options is 'string'/],
  [{}, /^options is \[\], expected exactly one of file, url and memory$/],
  [{ memory: false }, /exactly one of/],
  [{ file: undefined, url: undefined }, /exactly one of/],
  [{ memory: true, file: 'farm.db' }, /^options is \[ 'file', 'memory' \], expected exactly one of/],
  [{ memory: true, url: 'postgres://me:hush@host/farm' }, /^options is \[ 'url', 'memory' \]/],
  [{ file: '' }, /^file is '', expected a non-empty string/],
  [{ file: 5 }, /^file is 5/],
  [{ file: 'a\0b' }, /^file is .*without a zero byte/],
  [{ file: ':memory:' }, /^file is ':memory:', expected a path; for a store in memory, use memory: true$/],
  [{ memory: 'yes' }, /^memory is 'yes', expected a boolean$/],
  [{ url: 'mysql://me:hush@host/farm' }, /^url is '\(not shown\)', expected one that starts with 'postgres:\/\/'$/],
  [{ url: new URL('postgres://me:hush@host/farm') }, /^typeof url is 'object', expected 'string'$/],
  [{ memory: true, path: 'farm.db' }, /^unknown option 'path', expected one of file, url, memory, name/],
  [{ memory: true, name: '' }, /^name is ''/],
  [{ memory: true, readConnections: 0 }, /^readConnections is 0, expected an integer from 1 to 100$/],
  [{ memory: true, readConnections: 101 }, /^readConnections is 101/],
  [{ memory: true, readConnections: 1.5 }, /^readConnections is 1\.5/],
  [{ memory: true, readConnections: '8' }, /^readConnections is '8'/],
  [{ memory: true, busyTimeoutMs: -1 }, /^busyTimeoutMs is -1, expected a number of milliseconds from 0 to/],
  [{ memory: true, busyTimeoutMs: Infinity }, /^busyTimeoutMs is Infinity/],
  [{ memory: true, busyTimeoutMs: NaN }, /^busyTimeoutMs is NaN/],
  [{ memory: true, attempts: 0 }, /^attempts is 0, expected an integer from 1 to 100$/],
  [{ memory: true, slowSectionMs: 0 }, /^slowSectionMs is 0, expected a number of milliseconds above 0, or Infinity$/],
  [{ memory: true, stats: 5 }, /^stats is 5/],
  [{ memory: true, log: {} }, /^log\.debug is undefined, expected a function$/],
];

test('options that are out of range are refused by name, and nothing is opened', async () => {
  for (const [options, wanted] of BAD) {
    const message = await complaintOf(Store.open(options as StoreOptions));
    assert.match(message, wanted);
    assert.doesNotMatch(message, /hush/);
  }
});

test('every option may be undefined', async () => {
  const options: Required<{ [K in keyof StoreOptions]: undefined }> = {
    file: undefined,
    url: undefined,
    memory: undefined,
    name: undefined,
    readConnections: undefined,
    busyTimeoutMs: undefined,
    attempts: undefined,
    slowSectionMs: undefined,
    stats: undefined,
    log: undefined,
  };
  await using store = await openItems({ ...options, memory: true });
  assert.equal(store.name, 'store');
  const ways = { repeatable: undefined, ownTransaction: undefined };
  await store.readWrite('nothing', async () => undefined, ways);
  await store.read(async () => undefined, { name: undefined });
});

test('sections are refused by name for arguments out of range, and nothing runs', async () => {
  await using store = await openItems({ memory: true });
  const never = (): never => assert.fail('it ran');
  type Any = never;
  const bad: readonly (readonly [RegExp, () => Promise<unknown>])[] = [
    [/^work is undefined, expected a function that takes the handle$/, () => store.read(undefined as Any)],
    [/^name is '', expected a non-empty string without a zero byte$/, () => store.read(never, { name: '' })],
    [/^name is 5/, () => store.read(never, { name: 5 as Any })],
    [/^typeof options is 'string'/, () => store.read(never, 'look' as Any)],
    [/^unknown option 'repeatable', expected one of name$/, () => store.read(never, { repeatable: true } as Any)],
    [/^why is '', expected a non-empty string without a zero byte$/, () => store.readWrite('', never)],
    [/^why is \[Function: never\], expected a text that says why$/, () => store.readWrite(never as Any, never)],
    [/^why is \[Function: never\]/, () => (store.readWrite as Any as (work: () => void) => Promise<void>)(never)],
    [/^why is undefined/, () => store.readWrite(undefined as Any, never)],
    [/^work is 'start'/, () => store.readWrite('why', 'start' as Any)],
    [/^repeatable is 1, expected a boolean$/, () => store.readWrite('why', never, { repeatable: 1 as Any })],
    [/^ownTransaction is 'yes'/, () => store.readWrite('why', never, { ownTransaction: 'yes' as Any })],
    [/^unknown option 'retry'/, () => store.readWrite('why', never, { retry: true } as Any)],
  ];
  for (const [wanted, ask] of bad) assert.match(await complaintOf(ask()), wanted);
  assert.deepEqual(await idsOf(store), []);
});

/** The first that has a database of its own, whose statements know their columns. */
const OWN_SQLITE = [22, 16] as const;

test('a missing package is reported with the command, and one that is not needed is not missed', async () => {
  const { stdout, stderr } = await runWithPackagesOnly(
    ['kysely', 'tslib'],
    `import { Store } from 'drone-task-queue/store';
     for (const options of [{ memory: true }, { url: 'postgres://127.0.0.1:1/farm' }]) {
       await Store.open(options).then(
         store => (console.log('opened'), store.close()),
         ({ code, message }) => console.log(code + ': ' + message),
       );
     }`,
  );
  assert.equal(stderr.replace(/.*ExperimentalWarning: SQLite.*\n.*\n/, ''), '');
  const [sqlite, postgres] = stdout.trim().split('\n');
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const hasOwn = major > OWN_SQLITE[0] || (major === OWN_SQLITE[0] && minor >= OWN_SQLITE[1]);
  const command =
    /^ERR_PACKAGE_MISSING: an SQLite store on Node \S+ needs the package .*: npm install @photostructure\/sqlite$/;
  assert.match(sqlite ?? '', hasOwn ? /^opened$/ : command);
  assert.equal(postgres, 'ERR_PACKAGE_MISSING: a store in PostgreSQL needs the package pg: npm install pg');
});
