/**
 * Completes an entry and kills itself after one of the sections in which that is done. Arguments: the database as JSON, the
 * entry's id, when it ended, and after which section.
 */
import { subscribe } from 'node:diagnostics_channel';
import { completeEntry } from 'drone-task-queue/shard';
import { events, Store } from 'drone-task-queue/store';

const [place = '{}', id = '', finishedOn = '', after = ''] = process.argv.slice(2);
/** @type {Store<import('drone-task-queue/shard').FarmTables>} */
const store = await Store.open(/** @type {{ file: string }} */ (JSON.parse(place)));
subscribe(events.sectionEnd, message => {
  const { section } = /** @type {import('drone-task-queue/store').SectionEnd} */ (message);
  if (section === after) process.kill(process.pid, 'SIGKILL');
});
await completeEntry(store, Number(id), { status: 'Completed', finishedOn });
