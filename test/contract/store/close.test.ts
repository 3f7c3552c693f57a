/** Opening and the end: of a store, and of its process. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { Store } from 'drone-task-queue/store';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { testDatabases } from './databases.js';
import { add, idsOf, openItems, storeErrorOf } from './items.js';
import { openFolders } from './memory-folders.js';
import { startProgram } from './programs.js';
import { Warnings } from './warnings.js';

const databases = testDatabases();
leakCheck();

for (const database of databases.all) {
  test(`${database.name}: close waits for what is open or in line, refuses what comes later, and is idempotent`, async () => {
    await using store = await openItems({ ...(await database.place()), name: 'farm' });
    const gate = new Gate();
    const ended: string[] = [];
    const note = (what: string) => (): void => void ended.push(what);
    const work = [
      store.readWrite('open', async tx => {
        await gate.wait();
        await add(tx, 1);
        await store.read(async () => undefined);
      }),
      store.readWrite('in line', tx => add(tx, 2)),
      store.read(async () => {
        await gate.wait();
        await store.readWrite('aside', tx => add(tx, 3), { ownTransaction: true });
        return idsOf(store);
      }),
    ].map((section, at) => section.then(note(`section ${String(at)}`)));
    await gate.arrived(2);
    const closes = [store.close(), store.close()].map(close => close.then(note('close')));
    const { message } = await storeErrorOf(idsOf(store), 'ERR_STORE_CLOSED');
    assert.equal(message, "the store 'farm' is closed");
    await storeErrorOf(
      store.readWrite('late', () => assert.fail('it ran')),
      'ERR_STORE_CLOSED',
    );
    await storeErrorOf(store.migrate({}), 'ERR_STORE_CLOSED');
    gate.open();
    await Promise.all([...work, ...closes]);
    assert.deepEqual(ended.slice(-2), ['close', 'close']);
    assert.equal(ended.length, 5);
    await store.close();
    await storeErrorOf(idsOf(store), 'ERR_STORE_CLOSED');
  });

  test(`${database.name}: an unused store closes`, async () => {
    const store = await Store.open(await database.place());
    await store[Symbol.asyncDispose]();
  });

  for (const way of ['idle', 'throw']) {
    test(`${database.name}: a process with an open store ends by itself (${way}), and leaves nothing in memory`, async () => {
      await using program = startProgram(way, await database.place());
      const [said, ...folders] = (await program.line()).split(' ');
      assert.equal(said, 'idle');
      assert.match(await program.ended(), way === 'idle' ? /^0$/ : /^1: [^]*as told/);
      assert.equal(folders.filter(folder => folder !== '').length, database.name === 'SQLite memory' ? 1 : 0);
      for (const folder of folders) assert.ok(!existsSync(folder), folder);
    });
  }
}

for (const database of databases.shared) {
  test(`${database.name}: what was committed is there when the database is opened again`, async () => {
    const place = await database.place();
    for (const id of [1, 2, 3]) {
      await using store = await openItems(place);
      await store.readWrite('add', tx => add(tx, id));
      assert.equal((await idsOf(store)).length, id);
    }
  });
}

test('SQLite memory: each store has a database of its own, which is gone with it', async () => {
  using warnings = new Warnings();
  const stores = await Promise.all(Array.from({ length: 12 }, () => openItems({ memory: true })));
  await stores[0]!.readWrite('add', tx => add(tx, 1));
  assert.deepEqual(await idsOf(stores[1]!), []);
  const folders = openFolders();
  assert.equal(folders.length, stores.length);
  await Promise.all(stores.map(store => store.close()));
  assert.ok(!warnings.codes.includes('MaxListenersExceededWarning'));
  for (const folder of folders) assert.ok(!existsSync(folder), folder);
});

test('SQLite file: a store that is closed has put all that was committed into its one file', async () => {
  const { file = '' } = await databases.sqliteFile.place();
  const copy = `${file}-copy`;
  const store = await openItems({ file });
  await store.readWrite('add', tx => add(tx, 1));
  assert.deepEqual(await idsOf(store), [1]);
  await store.close();
  await copyFile(file, copy);
  await using copied = await openItems({ file: copy });
  assert.deepEqual(await idsOf(copied), [1]);
});

test('SQLite file: what cannot be opened is reported with its path, and leaves nothing', async () => {
  const { file = '' } = await databases.sqliteFile.place();
  await writeFile(file, 'this is not a database, and long enough to be seen as none'.repeat(100));
  for (const path of [file, join(file, 'in-a-file.db'), join(dirname(file), 'no-such-folder', 'store.db')]) {
    const { message, cause } = await storeErrorOf(Store.open({ file: path }), 'ERR_STORE_OPEN');
    assert.ok(message.startsWith(`the SQLite file ${path} could not be opened: `), message);
    assert.ok(cause instanceof Error);
  }
});
