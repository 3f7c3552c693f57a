/** Whose a section's handle is, and until when; and work that was not awaited. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'node:test';
import { ContextSwitchError, type ContextSwitchErrorCode, type Store } from 'drone-task-queue/store';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { rejectionOf } from '../rejections.js';
import { testDatabases } from './databases.js';
import { add, idsIn, idsOf, type Items, openItems, run, storeErrorOf, type Writing } from './items.js';

const databases = testDatabases();
leakCheck();

async function refusalOf(promise: Promise<unknown>, code: ContextSwitchErrorCode): Promise<string> {
  const error = await rejectionOf(promise);
  if (!(error instanceof ContextSwitchError)) throw error;
  assert.equal(error.code, code);
  return error.message;
}

/** Each opens a section and gives its handle to the callback, of both kinds and inside of others. */
const SECTIONS: Readonly<Record<string, (store: Store<Items>, work: (db: Writing) => Promise<void>) => Promise<void>>> =
  {
    read: (store, work) => store.read(db => work(db as Writing)),
    write: (store, work) => store.readWrite('work', work),
    'read in write': (store, work) => store.readWrite('around', () => store.read(db => work(db as Writing))),
    'write in write': (store, work) => store.readWrite('around', () => store.readWrite('work', work)),
    'write in read': (store, work) => store.read(() => store.readWrite('work', work, { ownTransaction: true })),
  };

/** Work that a callback starts and does not await. What it rejects with is dropped. */
const LEFT_BEHIND: Readonly<Record<string, (store: Store<Items>, db: Writing) => Promise<unknown>>> = {
  'a statement': (_store, db) => idsIn(db),
  'raw text': (_store, db) => run(db, 'SELECT 1'),
  'an inner section': store => store.read(idsIn),
  'an inner section that takes the wrong handle': (store, db) => store.read(() => idsIn(db)),
  'a chain of statements': async (_store, db) => {
    await idsIn(db);
    await idsIn(db);
    await idsIn(db);
  },
  'a chain that begins late': async (_store, db) => {
    await Promise.resolve();
    await idsIn(db);
  },
};

for (const database of databases.all) {
  test(`${database.name}: a handle is dead after the end of its section, however that ended`, async () => {
    await using store = await openItems(await database.place());
    for (const open of Object.values(SECTIONS)) {
      for (const fails of [false, true]) {
        let kept: Writing | undefined;
        const section = open(store, async db => {
          kept = db;
          await idsIn(db);
          if (fails) throw new Error('as told');
        });
        await Promise.allSettled([section]);
        assert.ok(kept);
        const dead = kept;
        const message = await refusalOf(add(dead, 1), 'ERR_SECTION_ENDED');
        assert.match(message, /^insert into .*: the \w+ section '\w+' \(opened at .* has ended$/);
        await refusalOf(run(dead, 'SELECT 1'), 'ERR_SECTION_ENDED');
        await store.readWrite('later', () => refusalOf(add(dead, 1), 'ERR_SECTION_ENDED'));
      }
    }
    assert.deepEqual(await idsOf(store), []);
  });

  test(`${database.name}: a handle is of no use to another logical thread, which does its section no harm`, async () => {
    await using store = await openItems(await database.place());
    for (const open of Object.values(SECTIONS)) {
      const gate = new Gate();
      let borrowed: Writing | undefined;
      const section = open(store, async db => {
        borrowed = db;
        await gate.wait();
        await idsIn(db);
      });
      await gate.arrived();
      assert.ok(borrowed);
      const handle = borrowed;
      const message = await refusalOf(add(handle, 1), 'ERR_OTHER_SECTION');
      assert.match(message, /^another logical thread used the handle of the \w+ section/);
      const byReader = store.read(() => refusalOf(idsIn(handle), 'ERR_OTHER_SECTION'), { name: 'borrower' });
      assert.match(await byReader, /^the read section 'borrower' .* used the handle of/);
      gate.open();
      await section;
    }
    assert.deepEqual(await idsOf(store), []);
  });

  test(`${database.name}: a section fails that ends before what it has started, and the next is well`, async () => {
    await using store = await openItems(await database.place());
    for (const [kind, open] of Object.entries(SECTIONS)) {
      for (const [what, leave] of Object.entries(LEFT_BEHIND)) {
        let left: Promise<unknown> = Promise.resolve();
        const section = open(store, async db => {
          if (kind.startsWith('write')) await add(db, 1);
          else await idsIn(db);
          left = leave(store, db).catch(() => undefined);
        });
        const { message } = await storeErrorOf(section, 'ERR_UNAWAITED_WORK');
        assert.match(message, /^the \w+ section '\w+' \(opened at .*not awaited: \S/, `${kind}, ${what}`);
        await left;
        assert.deepEqual(await idsOf(store), [], `${kind}, ${what}`);
      }
    }
  });

  test(`${database.name}: a write that was left behind is taken back with its section`, async () => {
    await using store = await openItems(await database.place());
    const left: Promise<unknown>[] = [];
    const leave = (work: Promise<unknown>): void => {
      left.push(work.catch(() => undefined));
    };
    const begun = store.readWrite('begun', async tx => {
      leave(add(tx, 1));
      await idsIn(tx);
      leave(add(tx, 2));
    });
    const { message } = await storeErrorOf(begun, 'ERR_UNAWAITED_WORK');
    assert.match(message, /insert into/);
    const inner = store.readWrite('outer', async () => {
      leave(store.readWrite('inner', tx => add(tx, 3)));
    });
    assert.match((await storeErrorOf(inner, 'ERR_UNAWAITED_WORK')).message, /readWrite section 'inner'/);
    const failed = store.readWrite('throws', async tx => {
      leave(add(tx, 4));
      throw new Error('as told');
    });
    await assert.rejects(failed, /as told/);
    await Promise.all(left);
    assert.deepEqual(await idsOf(store), []);
  });

  test(`${database.name}: a transaction of its own that was left behind in a section that reads fails that one, and is kept`, async () => {
    await using store = await openItems(await database.place());
    let left: Promise<unknown> = Promise.resolve();
    const section = store.read(async () => {
      left = store.readWrite('aside', tx => add(tx, 1), { ownTransaction: true });
    });
    await storeErrorOf(section, 'ERR_UNAWAITED_WORK');
    await left;
    assert.deepEqual(await idsOf(store), [1]);
  });

  test(`${database.name}: the handle of the section around is of no use inside the inner one, and is again after it`, async () => {
    await using store = await openItems(await database.place());
    await store.readWrite('outer', async tx => {
      const borrow = (): Promise<string> => refusalOf(add(tx, 1), 'ERR_OTHER_SECTION');
      for (const message of [await store.read(borrow), await store.readWrite('inner', borrow)]) {
        assert.match(message, /^the \w+ section .* used the handle of the readWrite section 'outer'/);
      }
      await add(tx, 2);
    });
    await store.read(async db => {
      const aside = (): Promise<string> => refusalOf(idsIn(db), 'ERR_OTHER_SECTION');
      await store.readWrite('aside', aside, { ownTransaction: true });
      assert.deepEqual(await idsIn(db), [2]);
    });
    assert.deepEqual(await idsOf(store), [2]);
  });

  test(`${database.name}: what a section has left behind is in no section any more`, async () => {
    await using store = await openItems(await database.place());
    const gate = new Gate();
    let left: Promise<unknown> = Promise.resolve();
    await store.readWrite('outer', async tx => {
      await add(tx, 1);
      left = gate.wait().then(async () => {
        // Sections of their own: neither a part of the one that has ended, nor refused for it.
        await store.readWrite('later', later => add(later, 2));
        return idsOf(store);
      });
    });
    await turn();
    gate.open();
    assert.deepEqual(await left, [1, 2]);
  });
}
