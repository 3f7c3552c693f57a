/** Who gets which lock, and in which order. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { KeyedLock } from '../../src/wait/keyed-lock.js';

/** Lets every promise that can be settled settle. */
async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

test('a key goes to those who ask for it one after the other, in their order', async () => {
  const lock = new KeyedLock();
  const order: number[] = [];
  let inside = 0;
  const work = (at: number) => async (): Promise<void> => {
    inside += 1;
    assert.equal(inside, 1);
    order.push(at);
    await settle();
    inside -= 1;
  };
  await Promise.all([0, 1, 2, 3].map(async at => lock.run('a', work(at))));
  assert.deepEqual([order, lock.size], [[0, 1, 2, 3], 0]);
});

test('one key does not wait for another', async () => {
  const lock = new KeyedLock();
  const releaseA = await lock.acquire('a');
  const releaseB = await lock.acquire('b');
  assert.equal(lock.size, 2);
  releaseA();
  assert.deepEqual([lock.isFree('a'), lock.isFree('b')], [true, false]);
  releaseB();
  assert.equal(lock.size, 0);
});

test('a lock is given back once, however often it is released', async () => {
  const lock = new KeyedLock();
  const first = await lock.acquire('a');
  const second = lock.acquire('a');
  const third = lock.acquire('a');
  first();
  first();
  const release = await second;
  assert.equal(await Promise.race([third, settle()]), undefined, 'the second one has it still');
  release();
  (await third)();
  assert.equal(lock.size, 0);
});

test('tryAcquire gets a free lock, never one that is held or awaited', async () => {
  const lock = new KeyedLock();
  const release = lock.tryAcquire(['a', 'b']);
  assert(release);
  assert.equal(lock.tryAcquire('a'), undefined);
  assert.equal(lock.tryAcquire(['c', 'b']), undefined);
  assert.equal(lock.isFree('c'), true, 'what was not taken is not kept');
  const waiting = lock.acquire(['b', 'c']);
  assert.equal(lock.tryAcquire('c'), undefined, 'c is not held, but a claim came before');
  release();
  (await waiting)();
  lock.tryAcquire('c')?.();
  assert.equal(lock.size, 0);
});

test('several keys are held together, and who came later for one of them waits', async () => {
  const lock = new KeyedLock();
  const releaseA = await lock.acquire('a');
  const order: string[] = [];
  const both = lock.run(['b', 'a', 'b'], () => order.push('both'));
  const onlyB = lock.run('b', () => order.push('b'));
  await settle();
  assert.deepEqual(order, []);
  releaseA();
  await Promise.all([both, onlyB]);
  assert.deepEqual([order, lock.size], [['both', 'b'], 0]);
});

test('who gives up waiting is skipped in every line and has no lock', async () => {
  const lock = new KeyedLock();
  const releaseA = await lock.acquire('a');
  const stop = new AbortController();
  const waiting = lock.acquire(['a', 'b'], stop.signal);
  const behind = lock.acquire('b');
  stop.abort(new Error('given up'));
  await assert.rejects(waiting, /given up/);
  (await behind)();
  await assert.rejects(lock.acquire('c', stop.signal), /given up/);
  releaseA();
  assert.equal(lock.size, 0);
});

test('many may wait with one signal, and all give up with it', async () => {
  const lock = new KeyedLock();
  const warnings: Error[] = [];
  const listen = (warning: Error): void => {
    warnings.push(warning);
  };
  process.on('warning', listen);
  try {
    const release = await lock.acquire('a');
    const stop = new AbortController();
    const waiting = Array.from({ length: 30 }, async () => lock.acquire('a', stop.signal));
    stop.abort();
    const ends = await Promise.allSettled(waiting);
    assert(ends.every(({ status }) => status === 'rejected'));
    release();
    await settle();
    assert.deepEqual([warnings, lock.size], [[], 0]);
  } finally {
    process.off('warning', listen);
  }
});

test('an abort after the lock was taken changes nothing', async () => {
  const lock = new KeyedLock();
  const stop = new AbortController();
  const release = await lock.acquire('a', stop.signal);
  stop.abort();
  assert.equal(lock.isFree('a'), false);
  release();
  assert.equal(lock.size, 0);
});

test('work that throws gives the lock back, and its error goes on', async () => {
  const lock = new KeyedLock();
  await assert.rejects(
    lock.run('a', () => {
      throw new Error('broken');
    }),
    /broken/,
  );
  assert.equal(lock.size, 0);
});

test('a lock without keys, or with keys that are no strings, is refused', async () => {
  const lock = new KeyedLock();
  await assert.rejects(lock.acquire([]), { code: 'ERR_INVALID_ARG' });
  assert.throws(() => lock.tryAcquire([1 as unknown as string]), { code: 'ERR_INVALID_ARG' });
  assert.equal(lock.size, 0);
});

interface Claim {
  readonly at: number;
  readonly keys: readonly string[];
  readonly stop: AbortController;
  state: 'waiting' | 'held' | 'over';
  release: () => void;
}

/** The rule in one line: a waiter may hold when no earlier one that is not over wants any of its keys. */
function mayHold(claims: readonly Claim[], claim: Claim): boolean {
  const before = claims.filter(({ at, state }) => at < claim.at && state !== 'over');
  return !before.some(({ keys }) => keys.some(key => claim.keys.includes(key)));
}

test('after any steps, exactly the entitled hold their locks, and none is stuck in the end', async () => {
  const keys = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 3 });
  const step = fc.oneof(
    fc.record({ do: fc.constant('acquire' as const), keys }),
    fc.record({ do: fc.constant('try' as const), keys }),
    fc.record({ do: fc.constant('release' as const), pick: fc.nat() }),
    fc.record({ do: fc.constant('abort' as const), pick: fc.nat() }),
  );
  const check = async (steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]): Promise<void> => {
    const lock = new KeyedLock();
    const claims: Claim[] = [];
    const held = (): Claim[] => claims.filter(({ state }) => state === 'held');
    const waiting = (): Claim[] => claims.filter(({ state }) => state === 'waiting');
    const note = (wanted: readonly string[]): Claim => {
      const claim: Claim = {
        at: claims.length,
        keys: wanted,
        stop: new AbortController(),
        state: 'waiting',
        release() {},
      };
      claims.push(claim);
      return claim;
    };
    const hold = (claim: Claim, release: () => void): void => {
      claim.state = 'held';
      claim.release = () => {
        claim.state = 'over';
        release();
      };
    };
    for (const next of steps) {
      if (next.do === 'acquire') {
        const claim = note(next.keys);
        lock.acquire(claim.keys, claim.stop.signal).then(
          release => {
            hold(claim, release);
          },
          () => undefined,
        );
      } else if (next.do === 'try') {
        const claim = note(next.keys);
        const release = lock.tryAcquire(claim.keys);
        assert.equal(release !== undefined, mayHold(claims, claim));
        if (release === undefined) claim.state = 'over';
        else hold(claim, release);
      } else if (next.do === 'release') {
        held()[next.pick % held().length]?.release();
      } else {
        const claim = waiting()[next.pick % waiting().length];
        claim?.stop.abort();
        if (claim !== undefined) claim.state = 'over';
      }
      await settle();
      for (const claim of waiting()) assert.equal(mayHold(claims, claim), false);
      for (const claim of held()) assert.equal(mayHold(claims, claim), true);
    }
    for (let left = held(); left.length > 0; left = held()) {
      for (const claim of left) claim.release();
      await settle();
    }
    assert.deepEqual([waiting().length, lock.size], [0, 0]);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 30 }), check));
});
