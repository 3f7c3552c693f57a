/** Which items are shared, and that no caller is left waiting. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DeduplicateQueue, type ItemLocks } from 'drone-task-queue/executor';
import { Gate } from 'drone-task-queue/testing';
import fc from 'fast-check';
import { KeyedLock, type Release } from '../../src/wait/keyed-lock.js';

const keyOf = (item: string): string => item;

/** Items need the lock of their first letter. */
function locksOf(lock: KeyedLock): ItemLocks<string> {
  return {
    lockOf: item => item.slice(0, 1),
    tryAcquire: key => lock.tryAcquire(key),
    acquire: async (key, signal) => lock.acquire(key, signal),
  };
}

async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

test('an equal item that still waits is shared, and its place is that of the first', async () => {
  const queue = new DeduplicateQueue<string, string>(keyOf);
  const ends = Promise.all(['a', 'b', 'a'].map(async item => queue.put(item)));
  assert.equal(queue.size, 2);
  const done: string[] = [];
  const work = (item: string): string => `${item}${String(done.push(item))}`;
  queue.putStop();
  await queue.run(work);
  assert.deepEqual(
    [done, await ends],
    [
      ['a', 'b'],
      ['a1', 'b2', 'a1'],
    ],
  );
});

test('an item whose work has begun is not shared: a later caller gets work that begins later', async () => {
  const queue = new DeduplicateQueue<string, number>(keyOf);
  const gate = new Gate();
  let begun = 0;
  const worker = queue.run(async () => {
    const mine = ++begun;
    await gate.wait();
    return mine;
  });
  const first = queue.put('a');
  await gate.arrived();
  assert.equal(queue.size, 0);
  const later = queue.put('a');
  assert.equal(queue.size, 1);
  gate.open();
  queue.putStop();
  assert.deepEqual(await Promise.all([first, later, worker]), [1, 2, undefined]);
});

test('work that throws rejects all who wait for it, and the worker goes on', async () => {
  const queue = new DeduplicateQueue<string>(keyOf);
  const ends = Promise.allSettled(['bad', 'bad', 'good'].map(async item => queue.put(item)));
  queue.putStop();
  await queue.run(item => {
    if (item === 'bad') throw new Error('broken');
  });
  assert.deepEqual(
    (await ends).map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled'],
  );
});

test('each stop token ends one worker, after what was put in before it', async () => {
  const queue = new DeduplicateQueue<string>(keyOf);
  const done: string[] = [];
  const workers = [0, 1].map(async () => queue.run(item => void done.push(item)));
  const put = queue.put('a');
  queue.putStop();
  await put;
  assert.equal(await Promise.race([Promise.all(workers), settle()]), undefined, 'one of them works on');
  const second = queue.put('b');
  queue.putStop();
  await Promise.all([second, ...workers]);
  assert.deepEqual(done, ['a', 'b']);
});

test('close rejects all who wait and all who come later, and lets begun work end', async () => {
  const queue = new DeduplicateQueue<string, string>(keyOf);
  const gate = new Gate();
  const worker = queue.run(async item => {
    await gate.wait();
    return item;
  });
  const begun = queue.put('a');
  await gate.arrived();
  const waiting = queue.put('a');
  queue.close(new Error('stopped'));
  await assert.rejects(waiting, /stopped/);
  await assert.rejects(queue.put('b'), /stopped/);
  gate.open();
  queue.putStop();
  assert.deepEqual([await begun, await worker, queue.size], ['a', undefined, 0]);
});

test('a worker passes an item over whose lock another one has, and takes it as soon as it has the lock', async () => {
  const lock = new KeyedLock();
  const queue = new DeduplicateQueue<string>(keyOf, locksOf(lock));
  const merge = await lock.acquire('a');
  const done: string[] = [];
  const worker = queue.run(item => void done.push(item));
  const passedOver = [queue.put('a'), queue.put('a2')];
  await queue.put('b');
  assert.deepEqual([done, queue.size], [['b'], 2]);
  // It shares the one that was passed over.
  passedOver.push(queue.put('a'));
  assert.equal(queue.size, 2);
  merge();
  await Promise.all(passedOver);
  assert.deepEqual(done, ['b', 'a', 'a2']);
  queue.putStop();
  await worker;
  assert.equal(lock.size, 0);
});

test('an item that was passed over has its lock before those who asked for that later, and no lock waits for a worker', async () => {
  const lock = new KeyedLock();
  const queue = new DeduplicateQueue<string>(keyOf, locksOf(lock));
  const merge = await lock.acquire('a');
  const order: string[] = [];
  const gate = new Gate();
  const worker = queue.run(async item => {
    order.push(item);
    if (item === 'b') await gate.wait();
  });
  const passedOver = queue.put('a');
  const ends = [queue.put('b')];
  await gate.arrived();
  const later = lock.run('a', () => void order.push('later merge'));
  ends.push(queue.put('c'));
  merge();
  await Promise.all([passedOver, later]);
  assert.deepEqual([order, lock.isFree('a'), queue.size], [['b', 'a', 'later merge'], true, 1]);
  gate.open();
  queue.putStop();
  await Promise.all([...ends, worker]);
  assert.deepEqual(order, ['b', 'a', 'later merge', 'c']);
});

test('a worker that is stopped ends when the work beside it has ended', async () => {
  const lock = new KeyedLock();
  const queue = new DeduplicateQueue<string>(keyOf, locksOf(lock));
  const merge = await lock.acquire('a');
  const gates = { a: new Gate(), b: new Gate() };
  let hasEnded = false;
  const worker = queue.run(async item => gates[item as 'a' | 'b'].wait()).then(() => (hasEnded = true));
  const ends = ['a', 'b'].map(async item => queue.put(item));
  await gates.b.arrived();
  merge();
  await gates.a.arrived();
  queue.putStop();
  gates.b.open();
  await ends[1];
  await settle();
  assert.equal(hasEnded, false);
  gates.a.open();
  await Promise.all([...ends, worker]);
});

test('a long line for one lock is not looked through again for each that comes, or that is done', async t => {
  const lock = new KeyedLock();
  const queue = new DeduplicateQueue<string>(keyOf, locksOf(lock));
  const merge = await lock.acquire('a');
  let done = 0;
  const workers = [0, 1].map(async () =>
    queue.run(() => {
      done++;
    }),
  );
  const items = Array.from({ length: 2_000 }, (_, number) => `a${String(number)}`);
  const { has, get } = Map.prototype;
  let looks = 0;
  t.mock.method(Map.prototype, 'has', function (this: Map<unknown, unknown>, key: unknown) {
    looks++;
    return has.call(this, key);
  });
  t.mock.method(Map.prototype, 'get', function (this: Map<unknown, unknown>, key: unknown): unknown {
    looks++;
    return get.call(this, key);
  });
  const puts = items.map(async item => queue.put(item));
  merge();
  await Promise.all(puts);
  t.mock.restoreAll();
  assert.equal(done, items.length);
  // Each with each would be 4,000,000.
  assert(looks < 200 * items.length, String(looks));
  for (const _ of workers) queue.putStop();
  await Promise.all(workers);
});

test('of items that need the same lock only one is in its line, so that others have their turns between them', async () => {
  const lock = new KeyedLock();
  const queue = new DeduplicateQueue<string>(keyOf, locksOf(lock));
  const order: string[] = [];
  const first = await lock.acquire('a');
  const workers = [0, 1].map(async () => queue.run(item => void order.push(item)));
  const ends = ['a1', 'a2', 'a3'].map(async item => queue.put(item));
  await settle();
  const merge = lock.run('a', () => void order.push('merge'));
  first();
  for (const _ of workers) queue.putStop();
  await Promise.all([...ends, merge, ...workers]);
  assert.deepEqual(order, ['a1', 'merge', 'a2', 'a3']);
});

test('the lock of an item is given back before anybody hears of its end, well or not', async () => {
  const lock = new KeyedLock();
  const queue = new DeduplicateQueue<string>(keyOf, locksOf(lock));
  const worker = queue.run(item => {
    assert.equal(lock.isFree('a'), false);
    if (item === 'a2') throw new Error('broken');
  });
  await queue.put('a1');
  assert.equal(lock.isFree('a'), true);
  await assert.rejects(queue.put('a2'), /broken/);
  assert.equal(lock.isFree('a'), true);
  queue.putStop();
  await worker;
});

test('close leaves the lines of locks, and lets work that has begun besides the workers end', async () => {
  const lock = new KeyedLock();
  const queue = new DeduplicateQueue<string>(keyOf, locksOf(lock));
  const merges = await Promise.all(['a', 'b'].map(async key => lock.acquire(key)));
  const gate = new Gate();
  const worker = queue.run(async () => gate.wait());
  const besides = queue.put('a');
  const waiting = assert.rejects(queue.put('b'), /stopped/);
  const begun = queue.put('c');
  await gate.arrived();
  merges[0]?.();
  await gate.arrived(2);
  queue.close(new Error('stopped'));
  await waiting;
  merges[1]?.();
  assert.deepEqual([lock.isFree('a'), lock.isFree('b')], [false, true]);
  queue.putStop();
  gate.open();
  await Promise.all([begun, besides, worker]);
  assert.equal(lock.isFree('a'), true);
});

test('a stop token is not taken before an item that waits for its lock, and is when that one goes', async () => {
  const lock = new KeyedLock();
  for (const isClosed of [false, true]) {
    const queue = new DeduplicateQueue<string>(keyOf, locksOf(lock));
    const merge = await lock.acquire('a');
    let hasEnded = false;
    const worker = queue.run(() => undefined).then(() => (hasEnded = true));
    const put = Promise.allSettled([queue.put('a')]);
    queue.putStop();
    await settle();
    assert.equal(hasEnded, false);
    if (isClosed) queue.close(new Error('stopped'));
    else merge();
    assert.equal((await put)[0]?.status, isClosed ? 'rejected' : 'fulfilled');
    await worker;
    merge();
  }
});

test('a lock that cannot be had is an error for the waiters of its item only', async () => {
  const lock = new KeyedLock();
  const acquire = async (): Promise<Release> => Promise.reject(new Error('no lock'));
  const queue = new DeduplicateQueue<string>(keyOf, { ...locksOf(lock), acquire });
  const merge = await lock.acquire('a');
  const worker = queue.run(() => undefined);
  await assert.rejects(queue.put('a'), /no lock/);
  await queue.put('b');
  queue.putStop();
  await worker;
  merge();
});

test('a queue of what cannot be compared or locked is refused', () => {
  assert.throws(() => new DeduplicateQueue(1 as never), { code: 'ERR_INVALID_ARG' });
  assert.throws(() => new DeduplicateQueue(keyOf, {} as never), { code: 'ERR_INVALID_ARG' });
});

/** The model: items in the line, and the numbers of those who wait for each. */
interface Waiting {
  readonly item: string;
  readonly who: number[];
}

test('after any steps each caller gets the first work on its item that began after its call', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('put' as const), item: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ do: fc.constant('take' as const), fails: fc.boolean() }),
    fc.record({ do: fc.constant('end' as const), pick: fc.nat() }),
    fc.record({ do: fc.constant('close' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
      const queue = new DeduplicateQueue<string, number>(keyOf);
      const heard: (string | undefined)[] = [];
      const expected: (string | undefined)[] = [];
      const line: Waiting[] = [];
      const begun: { readonly waiting: Waiting; readonly end: () => void }[] = [];
      let works = 0;
      let isClosed = false;
      const endOne = async (pick: number): Promise<void> => {
        const [one] = begun.splice(pick % Math.max(begun.length, 1), 1);
        one?.end();
        await settle();
      };
      for (const next of [...steps, { do: 'close' as const }]) {
        if (next.do === 'put') {
          const who = heard.push(undefined) - 1;
          expected.push(isClosed ? 'closed' : undefined);
          void queue.put(next.item).then(
            work => (heard[who] = String(work)),
            (error: unknown) => (heard[who] = (error as Error).message),
          );
          const equal = line.find(({ item }) => item === next.item);
          if (equal !== undefined) equal.who.push(who);
          else if (!isClosed) line.push({ item: next.item, who: [who] });
        } else if (next.do === 'take') {
          const waiting = line.shift();
          if (waiting === undefined) continue;
          const work = ++works;
          let end = (): void => undefined;
          const over = new Promise<void>(resolve => {
            end = resolve;
          });
          void queue.next(async item => {
            assert.equal(item, waiting.item);
            await over;
            if (next.fails) throw new Error(`failed ${String(work)}`);
            return work;
          });
          for (const who of waiting.who) expected[who] = next.fails ? `failed ${String(work)}` : String(work);
          begun.push({ waiting, end });
        } else if (next.do === 'end') {
          await endOne(next.pick);
        } else {
          queue.close(new Error('closed'));
          isClosed = true;
          for (const { who } of line.splice(0)) for (const one of who) expected[one] = 'closed';
        }
        await settle();
        assert.equal(queue.size, line.length);
      }
      while (begun.length > 0) await endOne(0);
      assert.deepEqual(heard, expected);
    }),
    { numRuns: 60 },
  );
});

test('with locks, after whatever steps a free worker has the first item that can be worked on, and all is done in the end', async () => {
  // Of the six items two have the same lock each.
  const item = fc.constantFrom('a1', 'a2', 'b1', 'b2', 'c1', 'c2');
  const step = fc.oneof(
    fc.record({ do: fc.constant('put' as const), item }),
    fc.record({
      do: fc.constant('hold' as const),
      keys: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }),
    }),
    fc.record({ do: fc.constant('let go' as const), pick: fc.nat() }),
    fc.record({ do: fc.constant('end' as const), pick: fc.nat() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), async (all, workers) => {
      const lock = new KeyedLock();
      const { lockOf, ...rest } = locksOf(lock);
      /** The locks that others, and works, have. */
      const had = new Set<string>();
      /** The locks that wait for a worker, and since which step. */
      const ready = new Map<string, number>();
      let steps = 0;
      const acquire = async (key: string, signal: AbortSignal): Promise<Release> => {
        const release = await rest.acquire(key, signal);
        ready.set(key, steps);
        return release;
      };
      const queue = new DeduplicateQueue<string, number>(keyOf, { lockOf, ...rest, acquire });
      const line: string[] = [];
      const begun: (() => void)[] = [];
      const holders: (() => void)[] = [];
      let works = 0;
      const work = async (item: string): Promise<number> => {
        const key = lockOf(item);
        const at = line.indexOf(item);
        assert(at >= 0 && !had.has(key), 'it was waiting, and has its lock alone');
        for (const before of line.slice(0, at)) {
          // Of two that have their locks by the same step either may be the first.
          const isReady = (ready.get(lockOf(before)) ?? steps) < steps;
          assert(!lock.isFree(lockOf(before)) && !isReady, `${before} was before ${item}`);
        }
        ready.delete(key);
        line.splice(at, 1);
        had.add(key);
        const mine = ++works;
        await new Promise<void>(resolve => begun.push(resolve));
        had.delete(key);
        return mine;
      };
      const running = Array.from({ length: workers }, async () => queue.run(work));
      const puts: Promise<void>[] = [];
      const holds: Promise<void>[] = [];
      const hold = async (keys: readonly string[]): Promise<void> => {
        const release = await lock.acquire(keys);
        for (const key of keys) had.add(key);
        await new Promise<void>(resolve => holders.push(resolve));
        for (const key of keys) had.delete(key);
        release();
      };
      const put = async (item: string): Promise<void> => {
        const before = works;
        assert((await queue.put(item)) > before, 'the work began after the asking');
      };
      for (const next of all) {
        steps++;
        if (next.do === 'put') {
          if (!line.includes(next.item)) line.push(next.item);
          puts.push(put(next.item));
        } else if (next.do === 'hold') holds.push(hold(next.keys));
        else {
          const those = next.do === 'end' ? begun : holders;
          those.splice(next.pick % Math.max(those.length, 1), 1)[0]?.();
        }
        await settle();
        assert.equal(queue.size, line.length);
        const canRun = line.filter(item => lock.isFree(lockOf(item)) || ready.has(lockOf(item)));
        assert(begun.length >= workers || canRun.length === 0, 'no worker is idle while there is work for it');
      }
      while (begun.length + holders.length > 0) {
        steps++;
        for (const end of [...begun.splice(0), ...holders.splice(0)]) end();
        await settle();
      }
      await Promise.all([...puts, ...holds]);
      for (const _ of running) queue.putStop();
      await Promise.all(running);
      assert.deepEqual([line, lock.size], [[], 0]);
    }),
    { numRuns: 200 },
  );
});
