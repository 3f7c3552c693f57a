/** Which taker gets which job, and that every submitted job gets its answer: whatever the source. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JobAnswer } from 'drone-task-queue/executor';
import { leakCheck } from '../../support/leak-check.js';
import { type OpenSource, sources } from './sources.js';

const DONE = { ok: true, value: 1 } as const;
const never = new AbortController().signal;

leakCheck();

for (const { title, open } of sources()) {
  const each = (name: string, run: (jobs: OpenSource) => Promise<void>): void => {
    test(`${title}: ${name}`, async () => {
      const jobs = await open();
      try {
        await run(jobs);
      } finally {
        await jobs.close();
      }
    });
  };

  /** Submitted one after the other; each is in its line before the next one is. */
  const submitAll = async (jobs: OpenSource, names: readonly string[]): Promise<Promise<JobAnswer>[]> => {
    const answers: Promise<JobAnswer>[] = [];
    for (const name of names) answers.push(jobs.submit(name, name));
    return answers;
  };

  each('each lane has its own line, and a host gets only its own jobs', async jobs => {
    const names = [
      'merger:merge',
      'executor:execute',
      'executor:stop:b',
      'executor:stop:a',
      'merger:cat',
      'executor:odd',
    ];
    const answers = await submitAll(jobs, names);
    const taken: string[] = [];
    for (const [lane, host] of [
      ['merger', 'a'],
      ['merger', 'b'],
      ['host', 'a'],
      ['host', 'b'],
      ['execute', 'b'],
      ['execute', 'a'],
    ] as const) {
      const job = await jobs.take(lane, host, never, 0);
      assert.equal(job.args, job.name);
      taken.push(job.name);
      await job.answer(DONE);
    }
    assert.deepEqual(taken, [
      'merger:merge',
      'merger:cat',
      'executor:stop:a',
      'executor:stop:b',
      'executor:execute',
      'executor:odd',
    ]);
    assert.deepEqual(
      await Promise.all(answers),
      names.map(() => DONE),
    );
  });

  each('jobs of equal names and arguments are done each, and each is answered with its own answer', async jobs => {
    const answers = await submitAll(jobs, ['merger:cat', 'merger:cat', 'merger:cat']);
    for (const value of [0, 1, 2]) await (await jobs.take('merger', 'a', never, 0)).answer({ ok: true, value });
    const values = (await Promise.all(answers)).map(answer => answer.ok && answer.value);
    assert.deepEqual(values, [0, 1, 2]);
  });

  each('id, name and arguments arrive as they were given, a failure as it was answered', async jobs => {
    const args = { items: [{ ref: 'refs/changes/1', text: 'ä\u2028"' }], none: null, deep: { number: 1.5 } };
    const answer = jobs.submit('executor:execute', args, 'job: 1/ä');
    const job = await jobs.take('execute', 'a', never, 0);
    assert.deepEqual([job.id, job.name, job.args], ['job: 1/ä', 'executor:execute', args]);
    const failure = {
      ok: false,
      error: {
        name: 'ExecutorError',
        message: 'no',
        code: 'ERR_MERGE_CONFLICT',
        stack: null,
        isTransient: false,
        paths: ['a/ä'],
        item: 1,
      },
    } as const;
    await job.answer(failure);
    assert.deepEqual(await answer, failure);
  });

  each('a job without arguments arrives without them', async jobs => {
    const answer = jobs.submit('executor:stop:here', undefined);
    const job = await jobs.take('host', 'here', never, 0);
    assert.equal(job.args, undefined);
    await job.answer(DONE);
    assert.deepEqual(await answer, DONE);
  });

  each('who waits gets a job that comes, and who has given up gets none', async jobs => {
    const stop = new AbortController();
    const gone = jobs.take('merger', 'a', stop.signal, 0);
    stop.abort(new Error('no more'));
    await assert.rejects(gone, /no more/);
    await assert.rejects(jobs.take('merger', 'a', stop.signal, 0), /no more/);
    const waiting = jobs.take('merger', 'a', never, 0);
    const answer = jobs.submit('merger:cat', 1);
    const job = await waiting;
    assert.equal(job.args, 1);
    await job.answer(DONE);
    assert.deepEqual(await answer, DONE);
  });

  each('of takers that give up again and again none keeps a job to itself', async jobs => {
    const answers = Promise.all([0, 1, 2, 3, 4].map(async at => jobs.submit('merger:cat', at)));
    const done: unknown[] = [];
    while (done.length < 5) {
      const stop = new AbortController();
      const taking = jobs.take('merger', 'a', stop.signal, 0).catch((error: unknown) => {
        assert.equal((error as Error).message, 'not now');
      });
      // At any moment of its way.
      for (let turns = done.length; turns > 0; turns--) await new Promise(setImmediate);
      stop.abort(new Error('not now'));
      const given = await taking;
      const job = given ?? (await jobs.take('merger', 'a', never, 0));
      done.push(job.args);
      await job.answer(DONE);
    }
    assert.deepEqual([...done].sort(), [0, 1, 2, 3, 4]);
    await answers;
  });

  each('many takers get each job once', async jobs => {
    const count = 40;
    const answers = Promise.all(Array.from({ length: count }, async (_, at) => jobs.submit('executor:execute', at)));
    const done: unknown[] = [];
    const taker = async (host: string): Promise<void> => {
      while (done.length < count) {
        const job = await jobs.take('execute', host, never, 0);
        done.push(job.args);
        await job.answer({ ok: true, value: job.args });
        if (done.length === count) stopAll.abort();
      }
    };
    const stopAll = new AbortController();
    const hosts = ['a', 'b', 'c'].map(async host => Promise.race([taker(host), aborted(stopAll.signal)]));
    await Promise.all(hosts);
    const values = (await answers).map(answer => answer.ok && answer.value);
    assert.deepEqual(
      values,
      Array.from({ length: count }, (_, at) => at),
    );
    assert.equal(new Set(done).size, count);
  });

  each('a name that is of no lane is refused', async jobs => {
    for (const name of ['', 'merge', 'executor', 'executor:', 'other:x', 'xexecutor:execute']) {
      await assert.rejects(jobs.submit(name, null), { code: 'ERR_INVALID_ARG' });
    }
  });

  each('a source that is closed answers all who wait, and all who come', async jobs => {
    const waiting = jobs.submit('merger:cat', null);
    const stop = jobs.submit('executor:stop:gone', null);
    await jobs.close();
    for (const answer of [await waiting, await stop, await jobs.submit('merger:cat', null)]) {
      assert(!answer.ok);
      assert.equal(answer.error.code, 'ERR_EXECUTOR_STOPPED');
    }
    await jobs.close();
  });
}

async function aborted(signal: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
}
