/** Updates come first, and yet merges come. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeClock } from 'drone-task-queue/testing';
import fc from 'fast-check';
import { MergeGate } from '../../src/executor/merge-gate.js';
import { Updates } from '../../src/executor/updates.js';

const MAX_WAIT_MS = 60_000;
const NAME = { connection: 'git', project: 'web' };

async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

/** A gate with updates that end when they are told to, and a job that waits to be taken. */
class Bench {
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  readonly #ends: (() => void)[] = [];
  readonly updates = new Updates(async () => new Promise<void>(resolve => this.#ends.push(resolve)), 1);
  readonly #gate = new MergeGate(this.updates, MAX_WAIT_MS, this.clock);
  isThere = false;
  taken = 0;
  #look: (() => void) | undefined;

  async request(): Promise<void> {
    return this.updates.request(NAME, this.stop.signal);
  }

  async endUpdate(): Promise<void> {
    this.#ends.shift()?.();
    await settle();
  }

  async pass(): Promise<void> {
    await this.#gate.pass(
      async signal =>
        new Promise<void>((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          this.#look = () => {
            if (!this.isThere || signal.aborted) return;
            this.#look = undefined; // this job source has handed out its job
            this.isThere = false;
            this.taken += 1;
            resolve();
          };
          this.#look();
        }),
      this.stop.signal,
    );
  }

  put(): void {
    this.isThere = true;
    this.#look?.();
  }

  async end(): Promise<void> {
    this.stop.abort(new Error('the end'));
    const stopped = this.updates.stop(new Error('the end'));
    for (let left = 10; left > 0; left--) await this.endUpdate();
    await stopped;
  }
}

test('a merge is taken only when no update waits or runs', async () => {
  const bench = new Bench();
  const updates = [bench.request(), bench.request()];
  const passing = bench.pass();
  bench.put();
  await settle();
  await bench.endUpdate();
  assert.equal(bench.taken, 0);
  await bench.endUpdate();
  await Promise.all([...updates, passing]);
  assert.equal(bench.taken, 1);
  await bench.end();
});

test('a merge that comes while updates run waits for them, though the gate was open before', async () => {
  const bench = new Bench();
  const passing = bench.pass();
  await settle();
  const update = bench.request();
  await settle();
  bench.put();
  await settle();
  assert.equal(bench.taken, 0);
  await bench.endUpdate();
  await Promise.all([update, passing]);
  assert.equal(bench.taken, 1);
  await bench.end();
});

test('updates that never pause hold a merge up for maxMergeWaitMs and no longer', async () => {
  const bench = new Bench();
  const first = bench.request();
  await settle();
  const more = bench.request();
  const passing = bench.pass();
  bench.put();
  await settle();
  await bench.clock.advance(MAX_WAIT_MS - 1);
  await settle();
  assert.equal(bench.taken, 0);
  await bench.clock.advance(1);
  await passing;
  assert.deepEqual([bench.taken, bench.updates.isIdle], [1, false]);
  await bench.endUpdate();
  await bench.endUpdate();
  await Promise.all([first, more]);
  await bench.end();
});

test('short pauses of the updates do not make the wait begin anew', async () => {
  const bench = new Bench();
  let update = bench.request();
  const passing = bench.pass();
  await settle();
  for (let left = 6; left > 0; left--) {
    await bench.clock.advance(MAX_WAIT_MS / 6 - 1);
    await bench.endUpdate();
    await update;
    // Open, but for too short a time for a job source.
    await bench.clock.advance(1);
    update = bench.request();
    await settle();
  }
  bench.put();
  await passing;
  assert.equal(bench.taken, 1);
  await bench.endUpdate();
  await update;
  await bench.end();
});

test('who waits at the gate is let go by an abort', async () => {
  const bench = new Bench();
  const update = bench.request().catch(() => undefined);
  const shut = bench.pass();
  bench.stop.abort(new Error('no more'));
  await assert.rejects(shut, /no more/);
  await update;
  await bench.end();
});

test('after whatever steps a merge is taken if and only if the updates were idle or its time was over', async () => {
  const step = fc.oneof(
    fc.constant('request' as const),
    fc.constant('end' as const),
    fc.constant('put' as const),
    fc.constant('wait' as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async steps => {
      const bench = new Bench();
      const requests: Promise<void>[] = [];
      let passing: Promise<void> | undefined;
      const pass = (): void => {
        passing = bench.pass().catch(() => undefined);
      };
      pass();
      let shutMs = 0;
      for (const next of steps) {
        const before = bench.taken;
        if (next === 'request') requests.push(bench.request().catch(() => undefined));
        else if (next === 'end') {
          await bench.endUpdate();
          // It was open for long, though updates ran.
          if (bench.updates.isIdle && shutMs > MAX_WAIT_MS) shutMs = 0;
        } else if (next === 'put') bench.put();
        else {
          await bench.clock.advance(MAX_WAIT_MS / 4);
          // Open for so long, it begins anew.
          shutMs = bench.updates.isIdle ? 0 : shutMs + MAX_WAIT_MS / 4;
        }
        await settle();
        const mayTake = bench.updates.isIdle || shutMs >= MAX_WAIT_MS;
        assert(bench.taken === before || mayTake, 'none is taken out of turn');
        assert(!(bench.isThere && mayTake), 'none that may be taken waits');
        if (bench.taken > before) {
          shutMs = 0;
          await passing;
          pass();
          await settle();
        }
      }
      await bench.end();
      await Promise.all([...requests, passing]);
    }),
    { numRuns: 60 },
  );
});
