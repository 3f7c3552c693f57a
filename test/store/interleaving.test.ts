/** At random: of three logical threads none ever sees, commits or aborts what another one does. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ThreadedTaskQueue } from 'drone-task-queue';
import { Store, type StoreOptions } from 'drone-task-queue/store';
import { FakeDrone } from 'drone-task-queue/testing';
import fc from 'fast-check';
import { sql } from 'kysely';
import { leakCheck } from '../support/leak-check.js';
import { type Postgres, startPostgres } from '../support/postgres.js';
import { Committed, LogicalThread, type Rows, type Step } from './logical-thread.js';

let server: Postgres;
before(async () => {
  server = await startPostgres();
});
after(() => server.stop());
leakCheck();

/** How many programs are tried; more for a longer look. */
const RUNS = Number(process.env['DRONE_TEST_RUNS'] ?? 15);
const THREADS = 3;

const { steps } = fc.letrec<{ step: Step; steps: Step[] }>(tie => ({
  steps: fc.array(tie('step'), { maxLength: 5, depthIdentifier: 'section' }),
  step: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'section' },
    fc.record({ do: fc.constantFrom('add', 'look', 'call') }),
    fc.record({ do: fc.constant('pause'), turns: fc.nat(3) }),
    fc.record({
      do: fc.constant('section'),
      kind: fc.constantFrom('read', 'write', 'own'),
      fails: fc.boolean(),
      steps: tie('steps'),
    }),
  ),
}));

/** Each thread does at least something in a section. */
const program = fc
  .tuple(fc.constantFrom('read', 'write', 'own'), fc.boolean(), steps, steps)
  .map(([kind, fails, inside, behind]): Step[] => [{ do: 'section', kind, fails, steps: inside }, ...behind]);

async function interleave(place: StoreOptions): Promise<void> {
  await using queue = new ThreadedTaskQueue({ threads: 1 });
  const drones = Array.from(
    { length: THREADS },
    (_, at) => new FakeDrone(`drone${at}`, { echo: (value: number) => value }),
  );
  await using store = await Store.open<Rows>({ ...place, readConnections: 2 });
  await store.readWrite('make table', async tx => {
    await sql`CREATE TABLE row (id integer PRIMARY KEY, thread integer)`.execute(tx);
  });
  const check = async (programs: readonly Step[][]): Promise<void> => {
    await store.readWrite('clear', tx => tx.deleteFrom('row').execute());
    const committed = new Committed();
    const runs = programs.map((each, at) =>
      new LogicalThread(store, committed, at, value => queue.call(drones[at]!, 'echo', value)).run(each),
    );
    // The others come to their end, too, before the next try.
    const ends = await Promise.allSettled(runs);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    const left = await store.read(db => db.selectFrom('row').select('id').execute());
    assert.deepEqual(new Set(left.map(({ id }) => id)), committed.now);
  };
  await fc.assert(fc.asyncProperty(fc.tuple(program, program, program), check), { numRuns: RUNS });
}

test('SQLite memory: logical threads that are interleaved at random do as they would one after another', async () => {
  await interleave({ memory: true });
});

test('PostgreSQL: logical threads that are interleaved at random do as they would one after another', async () => {
  await interleave({ url: await server.database() });
});
