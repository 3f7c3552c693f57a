/** Live output: a command's output as it comes, at the pace of its reader. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { type Call, LocalDrone, type OutputChunk } from 'drone-task-queue';
import { FakeDrone, Gate } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { failureOf } from './rejections.js';

/** As documented. */
const WINDOW_BYTES = 256 * 1024;
/** What pipes and read buffers between command and agent may hold beside, amply. */
const PIPES_BYTES = 1024 * 1024;
const NEVER = new Promise<void>(() => undefined);

interface Printer {
  print(...texts: string[]): Promise<string>;
}

/** A fake that prints what it is given, and is done when all of it is on its way. */
function printer(hostname = 'web1'): FakeDrone<Printer> {
  const drone: FakeDrone<Printer> = new FakeDrone<Printer>(hostname, {
    async print(...texts) {
      for (const text of texts) await drone.print('stdout', text);
      return 'printed';
    },
  });
  return drone;
}

async function textOf(output: AsyncIterable<OutputChunk>): Promise<string> {
  let text = '';
  for await (const { chunk } of output) text += Buffer.from(chunk).toString();
  return text;
}

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-output-'));
});
after(() => rm(folder, { recursive: true }));
leakCheck();

for (const make of queues) {
  test(`${make.name}: chunks come one after the other, each when the last is done with, and are the receiver's own`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    const chunks: Uint8Array[] = [];
    let busy = 0;
    const onOutput = async (_stream: string, chunk: Uint8Array): Promise<void> => {
      busy++;
      assert.equal(busy, 1);
      assert.equal(chunk.buffer.byteLength, chunk.byteLength);
      chunks.push(chunk);
      await new Promise(setImmediate);
      busy--;
    };
    const call = drone.with({ onOutput }).queueCall('run', 'seq 1 300000');
    const { stdout, truncated, totalBytes } = call.valueIn(await queue.execute([drone]));
    const expected = Array.from({ length: 300_000 }, (_, at) => `${String(at + 1)}\n`).join('');
    assert.equal(Buffer.concat(chunks).toString(), expected);
    assert.deepEqual([stdout, truncated, totalBytes.stdout], ['', true, expected.length]);
  });

  test(`${make.name}: a round waits for an onOutput that is not done with the last output`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = printer();
    let isDone = false;
    const onOutput = async (): Promise<void> => {
      await gate.wait();
      isDone = true;
    };
    const call = drone.with({ onOutput }).queueCall('print', 'last');
    const other = drone.queueCall('print');
    const round = queue.execute([drone]);
    await gate.arrived();
    // The answers are all in by then: this one came after them.
    await queue.call(drone, 'print');
    assert.equal(isDone, false);
    gate.open();
    const results = await round;
    assert.deepEqual([isDone, call.valueIn(results), other.valueIn(results)], [true, 'printed', 'printed']);
  });

  test(`${make.name}: an onOutput that rejects after its call has answered is a failure all the same`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone = printer();
    const thrown = new Error('of the callback');
    const onOutput = (): Promise<void> => gate.wait().then(() => Promise.reject(thrown));
    const call = drone.with({ onOutput }).queueCall('print', 'last');
    const round = queue.settle([drone]);
    await gate.arrived();
    await queue.call(drone, 'print');
    gate.open();
    const failure = failureOf(await round, drone);
    assert.deepEqual([failure.kind, failure.cause, failure.call], ['callback', thrown, call]);
    assert.deepEqual([failure.completed, drone.getCalls()], [['printed'], []]);
  });

  test(`${make.name}: a round that is cancelled while only an onOutput is waited for ends at once`, async () => {
    await using queue = make({ killGraceMs: 600_000 });
    const gate = new Gate();
    const stop = new AbortController();
    const drone = printer();
    drone.with({ onOutput: () => gate.wait() }).queueCall('print', 'last');
    const round = queue.settle([drone], { signal: stop.signal });
    await gate.arrived();
    await queue.call(drone, 'print');
    stop.abort('enough');
    const failure = failureOf(await round, drone);
    assert.deepEqual([failure.kind, failure.cause, failure.completed], ['cancelled', 'enough', ['printed']]);
    gate.open();
  });

  test(`${make.name}: the signal of a call that has answered frees its round of its stuck onOutput`, async () => {
    await using queue = make();
    const stop = new AbortController();
    const gate = new Gate();
    const drone = printer();
    const call = drone.with({ signal: stop.signal, onOutput: () => gate.wait() }).queueCall('print', 'last');
    const round = queue.execute([drone]);
    await gate.arrived();
    await queue.call(drone, 'print');
    stop.abort();
    assert.equal(call.valueIn(await round), 'printed');
    gate.open();
  });

  test(`${make.name}: a command whose output is not consumed is held, however much it writes, and ends by its signal`, async () => {
    await using queue = make();
    const progress = join(folder, `${make.name}-progress`);
    const stuck = new LocalDrone();
    const stop = new AbortController();
    let deliveredBytes = 0;
    let deliveries = 0;
    const onOutput = (_stream: string, chunk: Uint8Array): Promise<void> => {
      deliveries++;
      deliveredBytes += chunk.byteLength;
      return NEVER;
    };
    const command = `n=0; while printf %65536s; do n=$((n+1)); echo $n >${progress}; done`;
    const call = stuck.with({ onOutput, signal: stop.signal }).queueCall('run', command);
    const round = queue.settle([stuck]);
    // Neither its agent nor its thread is held: others on the same connection are as fast as ever.
    let heardBytes = 0;
    const other = new LocalDrone();
    for (let writtenBytes = 0; writtenBytes < WINDOW_BYTES;) {
      const heard = await queue.call(other, 'run', `head -c 10000000 /dev/zero | wc -c; cat ${progress} || echo 0`);
      const [bytes = 0, count = 0] = heard.stdout.split('\n').map(Number);
      heardBytes += bytes;
      writtenBytes = count * 65_536;
    }
    assert.ok(heardBytes >= 10_000_000);
    stop.abort('enough');
    const failure = failureOf(await round, stuck);
    assert.deepEqual([failure.kind, failure.call, failure.killed], ['cancelled', call, true]);
    const writtenBytes = Number(await readFile(progress, 'utf8')) * 65_536;
    assert.ok(writtenBytes <= WINDOW_BYTES + PIPES_BYTES, `${String(writtenBytes)} bytes were written`);
    assert.equal(deliveries, 1);
    assert.ok(deliveredBytes <= 65_536);
  });

  test(`${make.name}: a call whose onOutput is stuck times out all the same, and its onOutput is called no more`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    let deliveries = 0;
    let release: () => void = () => undefined;
    const onOutput = (): Promise<void> => {
      deliveries++;
      return new Promise(resolve => {
        release = resolve;
      });
    };
    drone.with({ onOutput, timeoutMs: 300 }).queueCall('run', 'exec yes');
    const behind = drone.queueCall('run', 'true');
    const failure = failureOf(await queue.settle([drone]), drone);
    assert.equal(failure.kind, 'timeout');
    const deliveredInTime = deliveries;
    assert.ok(deliveredInTime <= 1);
    release();
    assert.equal(behind.valueIn(await queue.execute([drone])).exitCode, 0);
    assert.equal(deliveries, deliveredInTime);
  });

  test(`${make.name}: output() gives what a command writes while it runs, at the pace of the loop`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    const call = drone.queueCall('run', 'head -c 3000000 /dev/zero; echo problem >&2; cat; exit 3', { stdin: 'end' });
    const quiet = drone.queueCall('run', 'echo quiet');
    const bytes = { stdout: 0, stderr: 0 };
    const read = (async () => {
      for await (const { stream, chunk } of call.output()) {
        bytes[stream] += chunk.byteLength;
        assert.equal(chunk.buffer.byteLength, chunk.byteLength);
        await new Promise(setImmediate);
      }
    })();
    const results = await queue.execute([drone]);
    await read;
    assert.deepEqual(bytes, { stdout: 3_000_003, stderr: 8 });
    const { exitCode, stdout, stderr, totalBytes } = call.valueIn(results);
    assert.deepEqual([exitCode, stdout, stderr, totalBytes], [3, '', '', bytes]);
    assert.equal(quiet.valueIn(results).stdout, 'quiet\n');
  });

  test(`${make.name}: what a call has printed is read after its round, up to a window of it`, async () => {
    await using queue = make();
    const drone = printer();
    const output = drone.queueCall('print', 'one ', 'two').output();
    await queue.execute([drone]);
    assert.equal(await textOf(output), 'one two');
  });

  test(`${make.name}: a loop that is left early leaves the command alone`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    const call = drone.queueCall('run', 'head -c 3000000 /dev/zero; exit 5');
    const round = queue.execute([drone]);
    await assert.rejects(async () => textOf(call.output()), { code: 'ERR_OUTPUT_TOO_LATE' });
    assert.equal(call.valueIn(await round).exitCode, 5);
    const second = drone.queueCall('run', 'head -c 3000000 /dev/zero; exit 6');
    const read = (async () => {
      let chunks = 0;
      for await (const _ of second.output()) if (++chunks === 2) break;
      return chunks;
    })();
    const { exitCode, totalBytes } = second.valueIn(await queue.execute([drone]));
    assert.deepEqual([await read, exitCode, totalBytes.stdout], [2, 6, 3_000_000]);
  });

  test(`${make.name}: output() is for one reader, and not beside onOutput, nor after the start of the round`, async () => {
    await using queue = make();
    const drone = printer();
    const call = drone.queueCall('print', 'text');
    const output = call.output();
    assert.throws(() => call.output(), {
      code: 'ERR_OUTPUT_TAKEN',
      message: "web1: the output of print('text') is not available: it goes to an onOutput, or was requested before",
    });
    const heard = drone.with({ onOutput: () => undefined }).queueCall('print');
    assert.throws(() => heard.output(), { code: 'ERR_OUTPUT_TAKEN' });
    const late = drone.queueCall('print');
    const round = queue.execute([drone]);
    const tooLate = {
      code: 'ERR_OUTPUT_TOO_LATE',
      message: /^web1: the output of print\(\) is not available: it is not in/,
    };
    assert.throws(() => late.output(), tooLate);
    await round;
    assert.throws(() => late.output(), tooLate);
    assert.equal(await textOf(output), 'text');
  });

  test(`${make.name}: the output of a call that goes back to the queue goes on in the round that runs it`, async () => {
    await using queue = make();
    const drone = printer();
    drone.misbehave('refuse');
    const call = drone.queueCall('print', 'in the end');
    const text = textOf(call.output());
    assert.equal(failureOf(await queue.settle([drone]), drone).kind, 'unreachable');
    assert.deepEqual(drone.getCalls(), [call]);
    drone.behave();
    await queue.execute([drone]);
    assert.equal(await text, 'in the end');
  });

  test(`${make.name}: the output of a call that is sent again, being idempotent, holds what both runs gave`, async () => {
    await using queue = make();
    const gate = new Gate();
    const drone: FakeDrone<Printer> = new FakeDrone<Printer>('web1', {
      async print(text = '') {
        await drone.print('stdout', text);
        await gate.wait();
        return text;
      },
    });
    const call = drone.with({ idempotent: true }).queueCall('print', 'again ');
    const output = call.output()[Symbol.asyncIterator]();
    const round = queue.settle([drone]);
    const first = (await output.next()).value as OutputChunk;
    drone.misbehave('refuse');
    const { kind, mayHaveRun } = failureOf(await round, drone);
    assert.deepEqual([kind, mayHaveRun], ['unreachable', [call]]);
    drone.behave();
    gate.open();
    await queue.execute([drone]);
    const second = (await output.next()).value as OutputChunk;
    assert.deepEqual([first, second].map(({ chunk }) => Buffer.from(chunk).toString()), ['again ', 'again ']); // prettier-ignore
    assert.equal((await output.next()).done, true);
  });

  test(`${make.name}: output ends with a call that failed, one whose outcome is unknown, and one that was forgotten`, async () => {
    await using queue = make();
    const failing = new FakeDrone('failing', {
      fail: async () => {
        await failing.print('stderr', 'so far');
        throw new Error('as told');
      },
      never: () => undefined,
    });
    const dying = new FakeDrone('dying', { work: () => undefined });
    dying.misbehave('die');
    const ends = [failing.queueCall('fail'), dying.queueCall('work')].map(call => textOf(call.output()));
    const behind = failing.queueCall('never');
    const forgotten = textOf(behind.output());
    const { failures } = await queue.settle([failing, dying]);
    assert.deepEqual([...failures.values()].map(({ kind }) => kind), ['call', 'lost']); // prettier-ignore
    assert.deepEqual(await Promise.all(ends), ['so far', '']);
    failing.clearCallQueue();
    assert.equal(await forgotten, '');
  });

  test(`${make.name}: a call that prints nothing has an output that ends, as a kill in front of it has none`, async () => {
    await using queue = make();
    const drone = new LocalDrone();
    drone.queueKillProcess({ hostname: drone.hostname, pid: 4_194_304 });
    const call: Call = drone.queueCall('refresh', []);
    const text = textOf(call.output());
    await queue.execute([drone]);
    assert.equal(await text, '');
  });

  test(`${make.name}: a fake drone prints at the pace of the reader, and only while a call runs`, async () => {
    await using queue = make();
    const drone = printer();
    assert.throws(() => drone.print('stdout', 'to no call'), { code: 'ERR_NO_CALL' });
    const big = 'x'.repeat(3 * WINDOW_BYTES);
    const call = drone.queueCall('print', big, 'end');
    const text = textOf(call.output());
    const unheard = drone.queueCall('print', big);
    const results = await queue.execute([drone]);
    assert.equal(await text, `${big}end`);
    assert.deepEqual([call.valueIn(results), unheard.valueIn(results)], ['printed', 'printed']);
    assert.throws(() => drone.print('stdout', 'to no call'), { code: 'ERR_NO_CALL' });
  });
}
