/**
 * A process with a store. Arguments: the way, and the database as JSON; for all but `migrate` it has the table `item`.
 * - `hold`: opens a section that writes, says `held`, and ends it when it gets the word to go on.
 * - `migrate`: says `ready`, and when it gets the word to go on brings the schema up to date and says what it has applied.
 * - `idle`: reads and writes, says `idle` and where its memory is, and has nothing more to do.
 * - `throw`: the same, and dies of an error.
 */
import { once } from 'node:events';
import { Store } from 'drone-task-queue/store';
import { sql } from 'kysely';
import { openFolders } from '../memory-folders.js';
import { migrations } from '../migrations.js';

const [way = '', place = '{}'] = process.argv.slice(2);
const store = await Store.open({
  .../** @type {import('../databases.js').Place} */ (JSON.parse(place)),
  busyTimeoutMs: 60_000,
});

/** @param {string} line */
function say(line) {
  process.stdout.write(`${line}\n`);
}

async function toldToGoOn() {
  process.stdin.resume();
  await once(process.stdin, 'end');
}

switch (way) {
  case 'hold':
    await store.readWrite('hold', async () => {
      say('held');
      await toldToGoOn();
    });
    await store.close();
    break;
  case 'migrate': {
    say('ready');
    await toldToGoOn();
    const { applied } = await store.migrate(migrations);
    say(applied.join(' '));
    await store.close();
    break;
  }
  default:
    await store.readWrite('write', tx => sql`CREATE TABLE IF NOT EXISTS mine (id integer)`.execute(tx));
    await store.read(db => sql`SELECT * FROM mine`.execute(db));
    say(`idle ${openFolders().join(' ')}`);
    if (way === 'throw') throw new Error('as told');
}
