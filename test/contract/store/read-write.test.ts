/** Sections that write: one at a time, whole or not at all. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { rejectionOf } from '../rejections.js';
import { testDatabases } from './databases.js';
import { add, addDangling, idsIn, idsOf, openItems, run, storeErrorOf, type Writing } from './items.js';

const databases = testDatabases();
leakCheck();

/** Fails, and leaves the transaction open in SQLite and useless in PostgreSQL. */
const FAULTY = 'SELECT nothing FROM item';

for (const database of databases.all) {
  test(`${database.name}: what a section writes is kept when it resolves, and its value given`, async () => {
    await using store = await openItems(await database.place());
    const value = await store.readWrite('write', async tx => {
      await add(tx, 1);
      await add(tx, 2, 'two');
      const [updated] = await tx.updateTable('item').set({ name: 'new' }).where('id', '=', 2).execute();
      assert.equal(updated?.numUpdatedRows, 1n);
      assert.deepEqual(await idsIn(tx), [1, 2]);
      return tx.deleteFrom('item').where('id', '=', 1).returning(['id', 'name']).execute();
    });
    assert.deepEqual(value, [{ id: 1, name: 'one' }]);
    const rows = await store.read(db => db.selectFrom('item').selectAll().execute());
    assert.deepEqual(
      rows.map(row => ({ ...row })),
      [{ id: 2, name: 'new' }],
    );
  });

  test(`${database.name}: nothing of a section is kept that throws, whatever it throws, and it rejects with just that`, async () => {
    await using store = await openItems(await database.place());
    for (const thrown of [new RangeError('as told'), 'a text', undefined] as unknown[]) {
      const rejected = rejectionOf(
        store.readWrite('fail', async tx => {
          await add(tx, 1);
          throw thrown;
        }),
      );
      assert.equal(await rejected, thrown);
      const read = store.read(async () => {
        throw thrown;
      });
      assert.equal(await rejectionOf(read), thrown);
    }
    const early = (): never => {
      throw new RangeError('before any promise');
    };
    await assert.rejects(store.readWrite('fail', early), RangeError);
    await assert.rejects(store.read(early), RangeError);
    assert.deepEqual(await idsOf(store), []);
  });

  test(`${database.name}: a section whose callback swallows a failure keeps nothing, and says which and where`, async () => {
    await using store = await openItems(await database.place());
    for (const policy of ['read', 'readWrite'] as const) {
      let failure: unknown;
      const work = async (db: Writing): Promise<void> => {
        if (policy === 'readWrite') await add(db, 1);
        failure = await rejectionOf(run(db, FAULTY));
        const { cause, message } = await storeErrorOf(idsIn(db), 'ERR_SECTION_BROKEN');
        assert.equal(cause, failure);
        assert.match(message, new RegExp(`^a statement of the ${policy} section 'swallow' .+ has failed`));
        if (policy === 'readWrite') await storeErrorOf(add(db, 2), 'ERR_SECTION_BROKEN');
      };
      const section =
        policy === 'read'
          ? store.read(db => work(db as Writing), { name: 'swallow' })
          : store.readWrite('swallow', work);
      const error = await storeErrorOf(section, 'ERR_SECTION_BROKEN');
      assert.equal(error.cause, failure);
      assert.match(error.message, /section 'swallow' \(opened at .*read-write\.test\.ts:\d+:\d+\)/);
    }
    assert.deepEqual(await idsOf(store), []);
    await store.readWrite('next', tx => add(tx, 3));
    assert.deepEqual(await idsOf(store), [3]);
  });

  test(`${database.name}: a statement that fails in an inner section undoes that one only`, async () => {
    await using store = await openItems(await database.place());
    await store.readWrite('outer', async tx => {
      await add(tx, 1);
      await assert.rejects(
        store.readWrite('inner', async inner => {
          await add(inner, 2);
          await add(inner, 1);
        }),
      );
      const swallowed = store.readWrite('inner', async inner => {
        await add(inner, 3);
        await rejectionOf(run(inner, FAULTY));
      });
      await storeErrorOf(swallowed, 'ERR_SECTION_BROKEN');
      await assert.rejects(store.read(db => run(db, FAULTY)));
      await add(tx, 4);
    });
    assert.deepEqual(await idsOf(store), [1, 4]);
  });

  test(`${database.name}: sections that write run one at a time, in the order in which they were asked for`, async () => {
    await using store = await openItems(await database.place());
    const gate = new Gate();
    const order: number[] = [];
    let writers = 0;
    const sections = Array.from({ length: 8 }, (_, number) =>
      store.readWrite('one of many', async tx => {
        assert.equal(++writers, 1);
        order.push(number);
        if (number === 0) await gate.wait();
        await add(tx, number);
        assert.deepEqual(await idsIn(tx), [0, 2, 3, 5, 6].filter(id => id < number).concat(number));
        writers--;
        if (number % 3 === 1) throw new Error('as told');
      }),
    );
    const results = Promise.allSettled(sections);
    await gate.arrived();
    assert.deepEqual(order, [0]);
    gate.open();
    assert.deepEqual(
      (await results).map(({ status }) => status === 'fulfilled'),
      [true, false, true, true, false, true, true, false],
    );
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(await idsOf(store), [0, 2, 3, 5, 6]);
  });

  test(`${database.name}: a commit that the database refuses keeps nothing, and the next sections are as they should be`, async () => {
    await using store = await openItems(await database.place());
    let ran = 0;
    const whole = store.readWrite(
      'dangle',
      async tx => {
        ran++;
        await add(tx, 1);
        await addDangling(tx, 1);
      },
      { repeatable: true },
    );
    const error = await storeErrorOf(whole, 'ERR_COMMIT_FAILED');
    assert.match(error.message, /the commit of the readWrite section 'dangle' \(opened at .*nothing was kept/);
    assert.match(String(error.cause), /foreign key/i);
    assert.equal(ran, 1);

    const byInner = store.readWrite('outer', async tx => {
      await add(tx, 2);
      await store.readWrite('inner', inner => addDangling(inner, 2));
      await add(tx, 3);
    });
    await storeErrorOf(byInner, 'ERR_COMMIT_FAILED');

    await storeErrorOf(
      store.read(db => add(db, 9)),
      'ERR_READ_ONLY',
    );
    await store.readWrite('mended', async tx => {
      await assert.rejects(
        store.readWrite('taken back', async inner => {
          await addDangling(inner, 3);
          throw new Error('as told');
        }),
        /as told/,
      );
      await add(tx, 4);
    });
    assert.deepEqual(await idsOf(store), [4]);
    assert.deepEqual(await store.read(db => db.selectFrom('part').selectAll().execute()), []);
  });

  test(`${database.name}: statements that were used before see the tables as they are now`, async () => {
    await using store = await openItems(await database.place());
    const look = (): Promise<unknown[]> => store.read(db => run(db, 'SELECT * FROM item'));
    await store.readWrite('first', tx => add(tx, 1));
    const plain = (rows: unknown[]): unknown[] => rows.map(row => ({ ...(row as object) }));
    assert.deepEqual(plain(await look()), [{ id: 1, name: 'one' }]);
    await store.readWrite('widen', async tx => {
      assert.deepEqual(plain(await run(tx, 'SELECT * FROM item')), [{ id: 1, name: 'one' }]);
      await run(tx, 'ALTER TABLE item ADD COLUMN more integer');
      assert.deepEqual(plain(await run(tx, 'SELECT * FROM item')), [{ id: 1, name: 'one', more: null }]);
    });
    assert.deepEqual(plain(await look()), [{ id: 1, name: 'one', more: null }]);
  });

  if (database.kind === 'sqlite') {
    test(`${database.name}: an error that ends the whole transaction fails all of the section, also from an inner one`, async () => {
      await using store = await openItems(await database.place());
      await store.readWrite('first', tx => add(tx, 1));
      const endAll = "INSERT OR ROLLBACK INTO item (id, name) VALUES (1, 'again')";
      const ways: readonly ((tx: Writing) => Promise<unknown>)[] = [
        tx => add(tx, 3),
        () => store.readWrite('another', inner => add(inner, 3)),
        () => store.read(idsIn),
      ];
      for (const goOn of ways) {
        const outer = store.readWrite('outer', async tx => {
          await add(tx, 2);
          await assert.rejects(
            store.readWrite('inner', inner => run(inner, endAll)),
            /UNIQUE/,
          );
          await storeErrorOf(goOn(tx), 'ERR_SECTION_BROKEN');
        });
        await storeErrorOf(outer, 'ERR_SECTION_BROKEN');
      }
      const idle = store.readWrite('outer', async tx => {
        await add(tx, 2);
        await rejectionOf(store.readWrite('inner', inner => run(inner, endAll)));
      });
      await storeErrorOf(idle, 'ERR_COMMIT_FAILED');
      await assert.rejects(
        store.readWrite('alone', tx => run(tx, endAll)),
        /UNIQUE/,
      );
      await store.readWrite('next', tx => add(tx, 4));
      assert.deepEqual(await idsOf(store), [1, 4]);
    });
  }
}
