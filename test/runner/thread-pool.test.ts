/** What is left of a job that could not be written as a whole. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ThreadPool } from '../../src/runner/thread-pool.js';
import { FrameType } from '../../src/wire.js';
import { leakCheck } from '../leak-check.js';

leakCheck();

test('of a job that cannot be written whole, nothing is left for the next one', async () => {
  const settings = {
    connectTimeoutMs: 1000,
    killGraceMs: 1000,
    linkSilenceMs: Infinity,
    keepaliveIntervalMs: 1000,
    keepaliveCount: 3,
    maxConnecting: 1,
    maxConnectingPerAddress: 1,
    maxIdleMs: Infinity,
    maxWarm: Infinity,
  };
  const pool = new ThreadPool(settings, { threads: 1, threadHeapMb: undefined }, { frames() {}, lost() {} });
  const thrown = new RangeError('no memory for this batch');
  const found: boolean[] = [];
  const fails = {
    route: 'b',
    write: () => {
      throw thrown;
    },
  };
  const first = (): unknown =>
    pool.start([
      {
        route: 'a',
        write: writer => {
          found.push(writer.empty);
          writer.frame(FrameType.Batch, 1, 1);
        },
      },
      fails,
    ]);
  assert.throws(first, thrown);
  assert.throws(first, thrown);
  assert.deepEqual(found, [true, true]);
  await pool.close(0);
});
