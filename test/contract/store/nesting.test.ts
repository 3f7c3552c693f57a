/** Sections in sections: in every combination only the innermost policy holds, and the one around it again afterwards. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ReadOnlyViolation, type Store } from 'drone-task-queue/store';
import { Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { rejectionOf } from '../rejections.js';
import { testDatabases } from './databases.js';
import {
  add,
  addDangling,
  idsIn,
  idsOf,
  type Items,
  openItems,
  type Reading,
  storeErrorOf,
  type Writing,
} from './items.js';

const databases = testDatabases();
leakCheck();

/** `own` is a section that writes with `ownTransaction`. */
type Kind = 'read' | 'write' | 'own';
const KINDS: readonly Kind[] = ['read', 'write', 'own'];
const DEPTH = 3;

/** How one of the sections ends: by throwing, or with something that the commit of its transaction will be refused for. */
interface Fault {
  readonly depth: number;
  readonly how: 'throw' | 'dangle';
}

function open<T>(store: Store<Items>, kind: Kind, work: (db: Writing) => Promise<T>): Promise<T> {
  return kind === 'read'
    ? store.read(db => work(db as Writing))
    : store.readWrite('level', work, { ownTransaction: kind === 'own' });
}

/** The documented table. */
function isAllowed(kind: Kind, around: readonly Kind[]): boolean {
  if (kind === 'read' || around.length === 0) return true;
  const isInWriter = around.some(outer => outer !== 'read');
  return kind === 'own' ? !isInWriter : isInWriter && around.at(-1) !== 'read';
}

/** What a section has done, as far as the one around it is concerned. */
interface Outcome {
  /** Rows that are kept if that one's are. */
  readonly rows: readonly number[];
  readonly dangles: boolean;
}
const NOTHING: Outcome = { rows: [], dangles: false };

/** One way through the table: sections one in another, each of which is looked at before and after the one inside of it. */
class Descent {
  /** Rows of transactions that have ended well. */
  readonly committed: number[] = [];
  readonly #store: Store<Items>;
  readonly #fault: Fault | undefined;
  #lastRow: number;

  constructor(store: Store<Items>, fault: Fault | undefined, lastRow: number) {
    this.#store = store;
    this.#fault = fault;
    this.#lastRow = lastRow;
  }

  async into([kind, ...inside]: readonly Kind[], around: readonly Kind[]): Promise<Outcome> {
    if (kind === undefined) return NOTHING;
    if (!isAllowed(kind, around)) {
      await storeErrorOf(
        open(this.#store, kind, () => assert.fail('it ran')),
        'ERR_SECTION_NESTING',
      );
      return NOTHING;
    }
    const isInTransaction = kind !== 'own' && around.some(outer => outer !== 'read');
    const fault = this.#fault?.depth === around.length && kind !== 'read' ? this.#fault.how : undefined;
    let done = NOTHING;
    const section = open(this.#store, kind, async db => {
      const first = kind === 'read' ? [] : [await this.#add(db)];
      const below = await this.into(inside, [...around, kind]);
      if (kind === 'read') {
        await idsIn(db);
        await assert.rejects(add(db, 0), ReadOnlyViolation);
      }
      const last = kind === 'read' ? [] : [await this.#add(db)];
      if (fault === 'dangle') await addDangling(db, this.#lastRow);
      done = { rows: [...first, ...below.rows, ...last], dangles: below.dangles || fault === 'dangle' };
      if (fault === 'throw') throw new Error('as told');
    });
    if (kind === 'read') {
      await storeErrorOf(section, 'ERR_READ_ONLY');
      return NOTHING;
    }
    if (fault === 'throw') {
      await assert.rejects(section, /as told/);
      return NOTHING;
    }
    if (isInTransaction) {
      await section;
      return done;
    }
    await Promise.allSettled([section]);
    if (done.dangles) {
      await storeErrorOf(section, 'ERR_COMMIT_FAILED');
    } else {
      await section;
      this.committed.push(...done.rows);
    }
    return NOTHING;
  }

  get lastRow(): number {
    return this.#lastRow;
  }

  async #add(db: Writing): Promise<number> {
    await add(db, ++this.#lastRow);
    return this.#lastRow;
  }
}

function combinations(depth: number): readonly (readonly Kind[])[] {
  if (depth === 0) return [[]];
  return combinations(depth - 1).flatMap(outer => KINDS.map(kind => [...outer, kind]));
}

/** None, and each that can be: what only reads does not dangle, and has failed by then in any case. */
function faultsOf(kinds: readonly Kind[]): readonly (Fault | undefined)[] {
  const faults = kinds.flatMap((kind, depth) =>
    kind === 'read' ? [] : (['throw', 'dangle'] as const).map((how): Fault => ({ depth, how })),
  );
  return [undefined, ...faults];
}

for (const database of databases.all) {
  test(`${database.name}: in every combination of three sections each has its own policy, before and after those inside`, async () => {
    await using store = await openItems(await database.place());
    const kept: number[] = [];
    let lastRow = 0;
    for (const kinds of combinations(DEPTH)) {
      for (const fault of faultsOf(kinds)) {
        const descent = new Descent(store, fault, lastRow);
        await descent.into(kinds, []);
        lastRow = descent.lastRow;
        kept.push(...descent.committed);
        assert.deepEqual(await idsOf(store), kept, `${kinds.join(' > ')}, ${JSON.stringify(fault ?? 'no fault')}`);
      }
    }
  });

  test(`${database.name}: an inner section sees what the outer one has written, and the outer what the inner one has`, async () => {
    await using store = await openItems(await database.place());
    await store.readWrite('outer', async tx => {
      await add(tx, 1);
      assert.deepEqual(await idsOf(store), [1]);
      await store.readWrite('inner', async inner => {
        assert.deepEqual(await idsIn(inner), [1]);
        await add(inner, 2);
      });
      assert.deepEqual(await idsIn(tx), [1, 2]);
    });
    await store.read(async db => {
      await store.readWrite('aside', inner => add(inner, 3), { ownTransaction: true });
      assert.deepEqual(await idsIn(db), [1, 2], 'the snapshot');
      assert.deepEqual(await idsOf(store), [1, 2], 'of which an inner section that reads is a part');
    });
    assert.deepEqual(await idsOf(store), [1, 2, 3]);
  });

  test(`${database.name}: what was written in a transaction of its own stays when the section around it fails`, async () => {
    await using store = await openItems(await database.place());
    const outer = store.read(async () => {
      await store.readWrite('aside', inner => add(inner, 1), { ownTransaction: true });
      throw new Error('as told');
    });
    await assert.rejects(outer, /as told/);
    assert.deepEqual(await idsOf(store), [1]);
  });

  test(`${database.name}: inner sections that are begun at once take turns, and statements with them`, async () => {
    await using store = await openItems(await database.place());
    const gate = new Gate();
    await store.readWrite('outer', async tx => {
      const all = [
        store.readWrite('one', async inner => {
          await gate.wait();
          await add(inner, 1);
        }),
        rejectionOf(
          store.readWrite('two', async inner => {
            assert.deepEqual(await idsIn(inner), [1]);
            await add(inner, 2);
            throw new Error('as told');
          }),
        ),
        store.read(async db => assert.deepEqual(await idsIn(db), [1])),
        add(tx, 3),
      ];
      await gate.arrived();
      gate.open();
      await Promise.all(all);
    });
    assert.deepEqual(await idsOf(store), [1, 3]);
  });

  test(`${database.name}: a refused combination names both sections and the way out, and harms neither`, async () => {
    await using store = await openItems(await database.place());
    const never = (): never => assert.fail('it ran');
    const own = { ownTransaction: true };
    await store.read(
      async (db: Reading) => {
        const { message } = await storeErrorOf(store.readWrite('start job', never), 'ERR_SECTION_NESTING');
        assert.match(message, /readWrite section 'start job' \(opened at .*inside the read section 'look around'/);
        assert.match(message, /use ownTransaction: true/);
        await storeErrorOf(store.migrate({}), 'ERR_SECTION_NESTING');
        await storeErrorOf(store.close(), 'ERR_SECTION_NESTING');
        assert.deepEqual(await idsIn(db), []);
      },
      { name: 'look around' },
    );
    await store.readWrite('outer', async tx => {
      const { message } = await storeErrorOf(store.readWrite('inner', never, own), 'ERR_SECTION_NESTING');
      assert.match(message, /inside the readWrite section 'outer' .*would wait for it/);
      await storeErrorOf(store.migrate({}), 'ERR_SECTION_NESTING');
      await storeErrorOf(store.close(), 'ERR_SECTION_NESTING');
      await store.read(async () => {
        const refused = await storeErrorOf(store.readWrite('inner', never, own), 'ERR_SECTION_NESTING');
        assert.match(refused.message, /would write for a reader/);
      });
      await add(tx, 1);
    });
    assert.deepEqual(await idsOf(store), [1]);
  });
}
