/** Sections that read: one snapshot, which the database itself refuses to write in. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ReadOnlyViolation } from 'drone-task-queue/store';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { rejectionOf } from '../rejections.js';
import { testDatabases } from './databases.js';
import { add, idsIn, idsOf, openItems, type Reading, run, storeErrorOf, type Writing } from './items.js';

const databases = testDatabases();
leakCheck();

const WRITES: readonly string[] = [
  "INSERT INTO item (id, name) VALUES (9, 'x')",
  "insert into item (id, name) values (9, 'x') returning id",
  "UPDATE item SET name = 'x'",
  "UPDATE item SET name = 'x' WHERE id = -1",
  'DELETE FROM item',
  "WITH one AS (SELECT 9 AS id) INSERT INTO item (id, name) SELECT id, 'x' FROM one",
  "/* only a look */ INSERT INTO item (id, name) VALUES (9, 'x')",
  'CREATE TABLE other (id integer)',
  'CREATE INDEX by_name ON item (name)',
  'ALTER TABLE item ADD COLUMN more integer',
  'DROP TABLE part',
];

/** What only one kind of database has, ways to become able to write among it. */
const WRITES_OF = {
  sqlite: [
    "REPLACE INTO item (id, name) VALUES (1, 'x')",
    'CREATE TRIGGER late AFTER INSERT ON item BEGIN DELETE FROM item; SELECT 1; END',
    'ANALYZE',
  ],
  postgres: [
    'WITH gone AS (DELETE FROM item RETURNING id) SELECT * FROM gone',
    'TRUNCATE item CASCADE',
    'EXPLAIN ANALYZE DELETE FROM item',
    'SELECT * FROM item FOR UPDATE',
    "SELECT nextval('number')",
    'DO $$ BEGIN DELETE FROM item; END $$',
    'SET TRANSACTION READ WRITE',
    'SET LOCAL transaction_read_only = off',
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT set_config('transaction_read_only', 'off', false)",
  ],
};

/** Refused by their text, in sections of both kinds, and not run: the section is well after them. */
const REFUSED: readonly string[] = [
  'BEGIN',
  'COMMIT',
  'commit',
  '  ; -- at last\n COMMIT',
  '/* at last */ COMMIT',
  'END',
  'ROLLBACK',
  'ROLLBACK TO section',
  'SAVEPOINT mine',
  'RELEASE section',
];
const REFUSED_BY = {
  sqlite: [
    'BEGIN IMMEDIATE',
    'RELEASE section_1',
    'PRAGMA query_only = 0',
    'EXPLAIN PRAGMA query_only = 0',
    'explain query plan pragma query_only = 0',
    'EXPLAIN QUERY /* */ PLAN PRAGMA busy_timeout = 0',
    "ATTACH ':memory:' AS other",
    'DETACH main',
    'VACUUM',
    'CREATE TEMP TABLE mine (id integer)',
    'CREATE TEMPORARY TABLE mine (id integer)',
  ],
  postgres: [
    'START TRANSACTION',
    'ABORT',
    '/* /* */ */ COMMIT',
    "PREPARE TRANSACTION 'mine'",
    'PREPARE mine AS DELETE FROM item',
    'SET default_transaction_read_only = off',
    'SET SESSION transaction_read_only = off',
    'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE',
    'RESET ALL',
    'DISCARD ALL',
    'LISTEN mine',
  ],
};

for (const database of databases.all) {
  test(`${database.name}: a section that reads sees the moment of its begin, whatever is committed meanwhile`, async () => {
    await using store = await openItems(await database.place());
    await store.readWrite('first', tx => add(tx, 1));
    const gate = new Gate();
    const early = store.read(async db => {
      const before = await idsIn(db);
      await gate.wait();
      return [before, await idsIn(db), (await run(db, 'SELECT id FROM part')).length];
    });
    const late = store.read(async db => {
      await gate.wait();
      return idsIn(db);
    });
    await gate.arrived(2);
    await store.readWrite('second', async tx => {
      await add(tx, 2);
      await tx.insertInto('part').values({ id: 1, item: 2 }).execute();
    });
    assert.deepEqual(await idsOf(store), [1, 2]);
    gate.open();
    assert.deepEqual(await early, [[1], [1], 0]);
    assert.deepEqual(await late, [1]);
  });

  test(`${database.name}: sections read beside one that writes, and see nothing of it before its commit`, async () => {
    await using store = await openItems(await database.place());
    const gate = new Gate();
    const writing = store.readWrite('held', async tx => {
      await add(tx, 1);
      await gate.wait();
    });
    await gate.arrived();
    assert.deepEqual(await idsOf(store), []);
    gate.open();
    await writing;
    assert.deepEqual(await idsOf(store), [1]);
  });

  test(`${database.name}: as many sections read at once as there are connections, and the others after them`, async () => {
    await using store = await openItems({ ...(await database.place()), readConnections: 2 });
    const gates = [new Gate(), new Gate(), new Gate()] as const;
    const begun = new Set<number>();
    const reads = [0, 0, 1, 1, 1, 2].map((at, number) =>
      store.read(async db => {
        begun.add(number);
        await idsIn(db);
        await gates[at]?.wait();
        if (number === 3) throw new Error('as told');
        return number;
      }),
    );
    const results = Promise.allSettled(reads);
    await gates[0].arrived(2);
    await store.readWrite('beside', tx => add(tx, 1));
    assert.deepEqual(begun, new Set([0, 1]));
    gates[0].open();
    await gates[1].arrived(2);
    assert.deepEqual(begun, new Set([0, 1, 2, 3]));
    for (const gate of gates) gate.open();
    assert.deepEqual(
      (await results).map(result => (result.status === 'fulfilled' ? result.value : 'failed')),
      [0, 1, 2, 'failed', 4, 5],
    );
    assert.deepEqual(await idsOf(store), [1]);
  });

  test(`${database.name}: the database refuses every write in a section that reads, and nothing is written`, async () => {
    await using store = await openItems(await database.place());
    await store.readWrite('first', async tx => {
      await add(tx, 1);
      if (database.kind === 'postgres') await run(tx, 'CREATE SEQUENCE number');
    });
    const schema = await store.read(db => db.introspection.getTables());
    const [line = ''] = new Error().stack?.split('\n').slice(1) ?? [];
    const place = /[^\s(/]+\.test\.[jt]s:/.exec(line)?.[0] ?? 'nowhere';
    const attempts: [string, (db: Reading) => Promise<unknown>][] = [
      ...[...WRITES, ...WRITES_OF[database.kind]].map((text): [string, (db: Reading) => Promise<unknown>] => [
        text,
        db => run(db, text),
      ]),
      ['insert into "item"', db => add(db, 9)],
      ['delete from "item"', db => (db as Writing).deleteFrom('item').execute()],
    ];
    for (const [text, attempt] of attempts) {
      for (const where of ['whole', 'inner'] as const) {
        let refused: unknown;
        const read = (): Promise<void> =>
          store.read(
            async db => {
              refused = await rejectionOf(attempt(db));
            },
            { name: 'peek' },
          );
        // One that swallows the failure has failed all the same.
        const failed =
          where === 'whole' ? await rejectionOf(read()) : await store.readWrite('around', () => rejectionOf(read()));
        assert.ok(refused instanceof ReadOnlyViolation, `${where}: ${text}: ${String(refused)}`);
        assert.equal(failed, refused);
        assert.equal(refused.code, 'ERR_READ_ONLY');
        assert.ok(refused.statement.startsWith(text), refused.statement);
        assert.ok(refused.cause instanceof Error);
        assert.ok(refused.openedAt.includes(place), `${refused.openedAt} is not in ${place}`);
        assert.match(refused.message, /^a write in the read section 'peek' \(opened at .+:\d+:\d+\): \S/);
      }
    }
    assert.deepEqual(await idsOf(store), [1]);
    assert.deepEqual(await store.read(db => db.introspection.getTables()), schema);
  });

  test(`${database.name}: what would end the transaction or outlive it is refused in every section, and harms none`, async () => {
    await using store = await openItems(await database.place());
    const texts = [...REFUSED, ...REFUSED_BY[database.kind]];
    const tryAll = async (db: Reading | Writing): Promise<void> => {
      for (const text of texts) {
        const { message } = await storeErrorOf(run(db, text), 'ERR_STATEMENT_REFUSED');
        assert.match(message, /section '(read|all|inner)' \(opened at .*owns its transaction/);
      }
    };
    await store.read(tryAll);
    await store.readWrite('all', async tx => {
      await add(tx, 1);
      await tryAll(tx);
      await store.readWrite('inner', tryAll);
      await store.read(async db => {
        await tryAll(db);
        assert.deepEqual(await idsIn(db), [1]);
      });
      const violation = store.read(db => add(db, 9));
      await storeErrorOf(violation, 'ERR_READ_ONLY');
      await add(tx, 2);
    });
    assert.deepEqual(await idsOf(store), [1, 2]);
  });

  test(`${database.name}: a text of several statements is refused whole`, async () => {
    await using store = await openItems(await database.place());
    await store.readWrite('first', tx => add(tx, 1));
    for (const text of [
      'SELECT 1; DELETE FROM item',
      'DELETE FROM item; COMMIT',
      'SELECT 1; COMMIT; DELETE FROM item',
    ]) {
      await assert.rejects(store.read(db => run(db, text)));
      await assert.rejects(store.readWrite('several', tx => run(tx, text)));
    }
    await store.read(db => run(db, "SELECT ';' AS one; -- ; and that is all"));
    assert.deepEqual(await idsOf(store), [1]);
  });

  test(`${database.name}: what Kysely has to begin, end or leave a transaction is refused in a section`, async () => {
    await using store = await openItems(await database.place());
    await store.readWrite('whole', async tx => {
      const kysely = tx as unknown as import('kysely').Kysely<import('./items.js').Items>;
      await storeErrorOf(
        kysely.transaction().execute(inner => add(inner as unknown as Writing, 9)),
        'ERR_STATEMENT_REFUSED',
      );
      await storeErrorOf(kysely.startTransaction().execute(), 'ERR_STATEMENT_REFUSED');
      await storeErrorOf(
        (async () => {
          for await (const _row of tx.selectFrom('item').selectAll().stream()) assert.fail('a row');
        })(),
        'ERR_STATEMENT_REFUSED',
      );
      await add(tx, 1);
    });
    assert.deepEqual(await idsOf(store), [1]);
  });
}
