/** Jobs that are not wanted any more, wherever they are by then: whatever the source. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Job, JobAnswer, SubmitOptions } from 'drone-task-queue/executor';
import { FakeClock } from 'drone-task-queue/testing';
import { leakCheck } from '../../support/leak-check.js';
import { type OpenSource, sources } from './sources.js';

const DONE = { ok: true, value: 1 } as const;
const never = new AbortController().signal;

leakCheck();

function codeOf(answer: JobAnswer): string | null {
  assert(!answer.ok, 'a failure');
  return answer.error.code;
}

/** Does jobs as an executor does: one that is given up is answered with the reason. */
async function stopped(job: Job): Promise<string> {
  const { signal } = job;
  assert(signal !== undefined);
  if (!signal.aborted) await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()));
  const { message, code } = signal.reason as Error & { code: string };
  await job.answer({ ok: false, error: { name: 'Error', message, code, stack: null, isTransient: false } });
  return message;
}

for (const { title, open } of sources()) {
  const each = (name: string, run: (jobs: OpenSource, clock: FakeClock) => Promise<void>): void => {
    test(`${title}: ${name}`, async () => {
      const clock = new FakeClock();
      const jobs = await open({ clock });
      try {
        await run(jobs, clock);
      } finally {
        await jobs.close();
      }
    });
  };

  /** Takes a job that no other is before. */
  const isNext = async (jobs: OpenSource, id: string): Promise<void> => {
    const answer = jobs.submit('merger:cat', null, id);
    const job = await jobs.take('merger', 'a', never, 0);
    assert.equal(job.id, id);
    await job.answer(DONE);
    assert.deepEqual(await answer, DONE);
  };

  /** Moves the clock until it has settled. */
  const settled = async (
    jobs: OpenSource,
    answer: Promise<JobAnswer>,
    clock: FakeClock,
    stepMs: number,
  ): Promise<JobAnswer> => {
    let isSettled = false;
    void answer.finally(() => (isSettled = true));
    while (!isSettled) {
      await clock.advance(stepMs);
      // A round trip, so that the clock does not outrun a slow server.
      await jobs.withdraw('none');
    }
    return answer;
  };

  each('a waiting job whose signal aborts is removed, and not run', async jobs => {
    for (const turns of [0, 1, 50]) {
      const stop = new AbortController();
      const answer = jobs.submit('merger:cat', null, { signal: stop.signal });
      // At any moment of its way.
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      stop.abort(new Error('not any more'));
      const given = await answer;
      assert.equal(codeOf(given), 'ERR_JOB_WITHDRAWN');
      assert.match(given.ok ? '' : given.error.message, /was not run: not any more/);
    }
    const aborted = AbortSignal.abort(new Error('from the start'));
    assert.equal(codeOf(await jobs.submit('merger:cat', null, { signal: aborted })), 'ERR_JOB_WITHDRAWN');
    await isNext(jobs, 'next');
  });

  test(`${title}: a waiting job whose time is up is removed, and not run`, async () => {
    const jobs = await open();
    try {
      const given = await jobs.submit('merger:cat', null, { timeoutMs: 50 });
      assert(!given.ok);
      assert.deepEqual([given.error.code, given.error.isTransient], ['ERR_JOB_WITHDRAWN', true]);
      await isNext(jobs, 'next');
    } finally {
      await jobs.close();
    }
  });

  each('a job that was taken is stopped by who has it', async (jobs, clock) => {
    const stop = new AbortController();
    const ways: readonly (readonly [options: SubmitOptions, giveUp: () => Promise<void>, why: RegExp])[] = [
      [{ signal: stop.signal }, async () => stop.abort(new Error('changed my mind')), /stopped: changed my mind/],
      [{ timeoutMs: 1000 }, async () => clock.advance(1000), /stopped: its timeoutMs \(1000\) has passed/],
    ];
    for (const [options, giveUp, why] of ways) {
      const answer = jobs.submit('executor:execute', null, options);
      const job = await jobs.take('execute', 'a', never, 0);
      const end = stopped(job);
      await giveUp();
      assert.match(await end, why);
      assert.equal(codeOf(await answer), 'ERR_EXECUTOR_STOPPED');
    }
  });

  each('a job that ends before its signal aborts, or its time is up, is not touched', async (jobs, clock) => {
    const stop = new AbortController();
    const answer = jobs.submit('executor:execute', null, { signal: stop.signal, timeoutMs: 1000 });
    const job = await jobs.take('execute', 'a', never, 0);
    await job.answer(DONE);
    assert.deepEqual(await answer, DONE);
    stop.abort();
    await clock.advance(1000);
    assert.equal(job.signal?.aborted, false);
  });

  each('waiting jobs are withdrawn by their id, from all lanes that all executors share', async jobs => {
    const names = ['executor:execute', 'merger:cat', 'merger:merge'];
    const answers = names.map(async name => jobs.submit(name, null, 'same'));
    const other = jobs.submit('merger:cat', null, 'other');
    while (!(await jobs.withdraw('same'))) await new Promise(setImmediate);
    let left = answers.length;
    for (const answer of answers) void answer.finally(() => (left -= 1));
    // In Redis they may come to their lanes after one of them was withdrawn.
    while (left > 0) {
      await jobs.withdraw('same');
      await new Promise(setImmediate);
    }
    for (const answer of answers) assert.equal(codeOf(await answer), 'ERR_JOB_WITHDRAWN');
    assert.equal(await jobs.withdraw('same'), false);
    const job = await jobs.take('merger', 'a', never, 0);
    assert.equal(job.id, 'other');
    assert.equal(await jobs.withdraw('other'), false);
    await job.answer(DONE);
    assert.deepEqual(await other, DONE);
  });

  each('the submitter learns which executor has the job, before the answer', async jobs => {
    for (const host of ['a', 'b/ä 1']) {
      const hosts: string[] = [];
      const answer = jobs.submit('merger:cat', null, { onTaken: one => void hosts.push(one) });
      const job = await jobs.take('merger', host, never, 0);
      while (hosts.length === 0) await new Promise(setImmediate);
      await job.answer(DONE);
      await answer;
      const atOnce = jobs.submit('merger:cat', null, { onTaken: one => void hosts.push(one) });
      await (await jobs.take('merger', host, never, 0)).answer(DONE);
      await atOnce;
      assert.deepEqual(hosts, [host, host]);
    }
  });

  each('a job for a host that is not there is answered, and not run', async (jobs, clock) => {
    const given = await settled(jobs, jobs.submit('executor:stop:gone', { id: 'x' }), clock, 250);
    assert(!given.ok);
    assert.deepEqual([given.error.code, given.error.isTransient], ['ERR_NO_EXECUTOR', true]);
    assert.match(given.error.message, /the host gone/);
    const answer = jobs.submit('executor:stop:gone', { id: 'y' });
    const job = await jobs.take('host', 'gone', never, 0);
    assert.deepEqual(job.args, { id: 'y' });
    await job.answer(DONE);
    assert.deepEqual(await answer, DONE);
  });

  each('bad options of a job are refused by name', async jobs => {
    for (const [options, field] of [
      [{ signal: {} }, 'signal'],
      [{ timeoutMs: 0 }, 'timeoutMs'],
      [{ onTaken: 1 }, 'onTaken'],
      [{ timeout: 1 }, 'timeout'],
    ] as const) {
      const submit = jobs.submit('merger:cat', null, options as SubmitOptions);
      await assert.rejects(submit, (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_INVALID_ARG');
        return error.message.includes(field);
      });
    }
  });
}
