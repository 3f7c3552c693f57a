// Short sections that write to an SQLite file, one after another: how late the main thread's event loop is meanwhile, and
// how many there are.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Store } from 'drone-task-queue/store';
import { sql } from 'kysely';
import { serve } from './program.js';

const WARM_SECTIONS = 20;
const NS_PER_MS = 1e6;
/** Longer than any run: a thread that starves shows in the figures, not as a failure. */
const BUSY_TIMEOUT_MS = 600_000;

serve(
  /** @param {{ file: string, forMs: number }} task */
  async ({ file, forMs }) => {
    /** @type {Store<{ job: { id: number, runs: number } }>} */
    const store = await Store.open({ file, busyTimeoutMs: BUSY_TIMEOUT_MS });
    await store.readWrite('make table', async tx => {
      await sql`CREATE TABLE IF NOT EXISTS job (id integer PRIMARY KEY, runs integer)`.execute(tx);
      await sql`INSERT OR IGNORE INTO job VALUES (1, 0)`.execute(tx);
    });
    const section = () =>
      store.readWrite('run job', async tx => {
        const { runs } = await tx.selectFrom('job').select('runs').where('id', '=', 1).executeTakeFirstOrThrow();
        await tx
          .updateTable('job')
          .set({ runs: runs + 1 })
          .where('id', '=', 1)
          .execute();
      });
    for (let warm = 0; warm < WARM_SECTIONS; warm++) await section();

    const histogram = monitorEventLoopDelay({ resolution: 1 });
    histogram.enable();
    const startMs = performance.now();
    let sections = 0;
    for (; performance.now() - startMs < forMs; sections++) await section();
    const tookMs = performance.now() - startMs;
    histogram.disable();
    await store.close();
    return {
      p99Ms: histogram.percentile(99) / NS_PER_MS,
      maxMs: histogram.max / NS_PER_MS,
      perSecond: (sections * 1000) / tookMs,
    };
  },
);
