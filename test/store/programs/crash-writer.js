/**
 * Writes pairs of rows, each pair in a section of its own, until it is killed. Arguments: its number, and the database as
 * JSON. Says `half` in mid-section, and the number of a pair once its section has been acknowledged.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { Store } from 'drone-task-queue/store';

/** @typedef {import('../crash-rows.js').Rows} Rows */
const [writer = '', place = '{}'] = process.argv.slice(2);
/** @type {Store<Rows>} */
const store = await Store.open({
  .../** @type {{ file: string }} */ (JSON.parse(place)),
  busyTimeoutMs: 60_000,
  attempts: 100,
});

for (let pair = 1; ; pair++) {
  await store.readWrite(
    'pair',
    async tx => {
      const row = { writer: Number(writer), pair };
      await tx
        .insertInto('half')
        .values({ ...row, which: 'first' })
        .execute();
      process.stdout.write('half\n');
      await turn();
      await tx
        .insertInto('half')
        .values({ ...row, which: 'second' })
        .execute();
    },
    { repeatable: true },
  );
  process.stdout.write(`${pair}\n`);
}
