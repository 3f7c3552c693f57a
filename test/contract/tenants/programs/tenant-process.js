/**
 * Another scheduler. Arguments: the way, and a database as JSON. It says `ready`, and when it gets the word to go on:
 * - `count`: takes ltimes and says which.
 * - `share`: takes ltimes five at a time, writes a search of each, the newest first, and says the newest that it has taken.
 *   It fails when what is held is ever older than what it has written, or than what it has seen.
 * - `publish <times> <tenant>…`: publishes a list of tenants of one project each, so many times, and says the ltimes.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Store } from 'drone-task-queue/store';
import { StoreFileCache, StoreLogicalClock, StoreTenantListSource } from 'drone-task-queue/tenants/store';

const LTIMES = 60;
const MAIN = { project: 'p', branch: 'main' };

const [way = '', place = '{}', times, ...names] = process.argv.slice(2);
/** @type {Store<import('drone-task-queue/tenants/store').TenantTables>} */
const store = await Store.open({ .../** @type {object} */ (JSON.parse(place)), busyTimeoutMs: 60_000 });
const clock = new StoreLogicalClock(store);

/** @param {string} line */
function say(line) {
  process.stdout.write(`${line}\n`);
}

/** @param {number} count */
async function take(count) {
  /** @type {number[]} */
  const taken = [];
  for (let at = 0; at < count; at++) taken.push(await clock.next());
  return taken;
}

async function share() {
  const cache = new StoreFileCache(store);
  let newest = -1;
  for (let round = 0; round < LTIMES / 5; round++) {
    const taken = await take(5);
    for (const mine of taken.reverse()) {
      await cache.write(MAIN, { ltime: mine, extraPaths: [], files: new Map([['drones.yaml', String(mine)]]) });
      const held = await cache.read(MAIN, [], -1);
      assert(held !== undefined && held.ltime >= Math.max(mine, newest), 'an older search has taken its place');
      assert.equal(held.files.get('drones.yaml'), String(held.ltime), 'the text is that of another search');
      newest = held.ltime;
    }
  }
  return newest;
}

async function publish() {
  const system = new StoreTenantListSource(store);
  const tenants = names.map(name => ({ name, projects: [{ project: name }] }));
  /** @type {number[]} */
  const ltimes = [];
  for (let time = 0; time < Number(times); time++) ltimes.push(await system.publish(tenants));
  return ltimes;
}

say('ready');
process.stdin.resume();
await once(process.stdin, 'end');
if (way === 'count') say(JSON.stringify(await take(LTIMES)));
else if (way === 'share') say(String(await share()));
else say(JSON.stringify(await publish()));
await store.close();
