/** Writers that are killed in mid-section: what was acknowledged is there, and no half of a section ever is. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Store, type StoreOptions } from 'drone-task-queue/store';
import { sql } from 'kysely';
import { leakCheck } from '../support/leak-check.js';
import { startPostgres } from '../support/postgres.js';
import type { Rows } from './crash-rows.js';

leakCheck();

const PROGRAM = fileURLToPath(new URL('./programs/crash-writer.js', import.meta.url));
/** That many at a time, each of which is in the way of the others. */
const LANES = 3;
/** Writers are killed after as many acknowledged pairs, in turn. */
const PAIRS = [0, 1, 2, 5];

/** Kills a writer in mid-section, and gives how many pairs it was told to be kept. */
async function killedWriter(place: StoreOptions, writer: number): Promise<number> {
  const child = spawn(process.execPath, [PROGRAM, String(writer), JSON.stringify(place)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  const wanted = PAIRS[writer % PAIRS.length] ?? 0;
  let acknowledged = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== 'half') acknowledged = Number(line);
    else if (acknowledged >= wanted) child.kill('SIGKILL');
  }
  const [, signal] = (await closed) as [unknown, string | null];
  assert.equal(signal, 'SIGKILL');
  return acknowledged;
}

async function assertPairs(store: Store<Rows>, writer: number, acknowledged: number): Promise<void> {
  const rows = await store.read(db =>
    db.selectFrom('half').select(['writer', 'pair', 'which']).orderBy('pair').orderBy('which').execute(),
  );
  const whole = new Set<string>();
  const firsts = rows.filter(({ which }) => which === 'first');
  const seconds = rows.filter(({ which }) => which === 'second');
  for (const { writer: of, pair } of firsts) whole.add(`${String(of)}/${String(pair)}`);
  assert.deepEqual(new Set(seconds.map(row => `${String(row.writer)}/${String(row.pair)}`)), whole, 'half a section');
  assert.equal(firsts.length, seconds.length);
  for (let pair = 1; pair <= acknowledged; pair++) assert.ok(whole.has(`${String(writer)}/${String(pair)}`), 'is lost');
}

async function killMany(place: StoreOptions, kills: number): Promise<void> {
  await using store = await Store.open<Rows>(place);
  await store.readWrite('make table', async tx => {
    await sql`CREATE TABLE half (writer integer, pair integer, which text, PRIMARY KEY (writer, pair, which))`.execute(
      tx,
    );
  });
  let started = 0;
  const lane = async (): Promise<void> => {
    while (started < kills) {
      const writer = ++started;
      await assertPairs(store, writer, await killedWriter(place, writer));
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await store.readWrite('after all', tx =>
    tx.insertInto('half').values({ writer: 0, pair: 1, which: 'first' }).execute(),
  );
}

test('SQLite file: of fifty writers that are killed in mid-section nothing acknowledged is lost, and nothing half is kept', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drone-crash-'));
  try {
    await killMany({ file: join(folder, 'store.db') }, 50);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('PostgreSQL: of ten writers that are killed in mid-section nothing acknowledged is lost, and nothing half is kept', async () => {
  await using server = await startPostgres();
  await killMany({ url: await server.database() }, 10);
});
