/** Which items are shared, and that nobody is left waiting. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { DeduplicateQueue } from 'drone-task-queue/executor';
import { Gate } from 'drone-task-queue/testing';
import fc from 'fast-check';

const keyOf = (item: string): string => item;

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

test('an item whose work has begun is not shared: who comes then gets work that begins after him', async () => {
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

test('a queue of what cannot be compared is refused', () => {
  assert.throws(() => new DeduplicateQueue(1 as never), { code: 'ERR_INVALID_ARG' });
});

/** The model: items in the line, and the numbers of those who wait for each. */
interface Waiting {
  readonly item: string;
  readonly who: number[];
}

test('after whatever steps everybody hears of the first work on his item that began after his asking', async () => {
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
