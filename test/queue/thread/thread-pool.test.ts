/** What becomes of a job when one of its batches cannot be written. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ThreadPool } from '../../../src/queue/thread/thread-pool.js';
import type { Outgoing } from '../../../src/queue/thread/runner.js';
import { FrameType } from '../../../src/queue/wire/messages.js';
import { leakCheck } from '../../support/leak-check.js';

leakCheck();

test('a batch that cannot be written is refused, and nothing of it is left in the job of the others', async () => {
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
  const options = { threads: 1, threadHeapMb: undefined, threadTimeoutMs: Infinity };
  const pool = new ThreadPool(settings, options, { frames() {}, lost() {} });
  const thrown = new RangeError('no memory for this batch');
  const fails: Outgoing = {
    route: 'a',
    write: writer => {
      writer.frame(FrameType.Batch, 1, 1);
      throw thrown;
    },
  };
  const written: number[] = [];
  const other: Outgoing = {
    route: 'b',
    write: writer => {
      written.push(writer.whole.byteLength);
    },
  };
  const [first, second] = pool.start([fails, other]);
  assert.deepEqual(first, { refused: thrown });
  assert.ok(second && 'send' in second);
  assert.deepEqual(written, [0]);
  assert.deepEqual(await pool.close(0), []);
});
