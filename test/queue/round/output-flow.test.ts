import assert from 'node:assert/strict';
import test from 'node:test';
import { OUTPUT_LIMITS } from '../../../src/queue/wire/credits.js';
import { QueuedCall, type CallOptions } from '../../../src/queue/drone/call.js';
import { LocalDrone } from '../../../src/queue/drone/local-drone.js';
import { OutputFlow } from '../../../src/queue/round/output-flow.js';

/** A flow to an `onOutput`, and what it tells. */
function flowTo(onOutput: CallOptions['onOutput']): { flow: OutputFlow; told: string[] } {
  const told: string[] = [];
  const flow = new OutputFlow(new QueuedCall(new LocalDrone(), 'run', ['true'], { onOutput }), {
    credit: (_call, bytes) => told.push(`credit ${String(bytes)}`),
    failed: (_call, reason) => told.push(`failed: ${String(reason)}`),
    idle: () => told.push('idle'),
  });
  return { flow, told };
}

function output(bytes: number, stream = 1): Uint8Array {
  const payload = new Uint8Array(1 + bytes);
  payload[0] = stream;
  return payload;
}

const NONSENSE: readonly (readonly [name: string, payload: Uint8Array, message: RegExp])[] = [
  ['of a stream that is none', output(1, 3), /output of stream 3/],
  ['that names no stream', new Uint8Array(0), /output of stream undefined/],
  ['without a byte', output(0), /output without a byte/],
];

for (const [name, payload, message] of NONSENSE) {
  test(`output ${name} is refused`, () => {
    const { flow } = flowTo(() => assert.fail('it was told of it'));
    assert.throws(() => { flow.take(payload); }, { code: 'ERR_PROTOCOL', message }); // prettier-ignore
  });
}

test('a drone that sends more than its window to a consumer that is stuck is refused', () => {
  const { flow } = flowTo(() => new Promise(() => undefined));
  flow.take(output(OUTPUT_LIMITS.windowBytes));
  assert.equal(flow.isBusy, true);
  assert.throws(() => { flow.take(output(1)); }, { code: 'ERR_PROTOCOL' }); // prettier-ignore
});

test('what is consumed is credited in lots, until the call has answered', () => {
  const { flow, told } = flowTo(() => undefined);
  for (let chunk = 0; chunk < 5; chunk++) flow.take(output(30_000));
  assert.deepEqual(told, ['credit 90000']);
  flow.complete();
  flow.take(output(100_000));
  assert.deepEqual(told, ['credit 90000']);
});

test('a flow that its own consumer closes tells nothing more', async () => {
  let deliveries = 0;
  const { flow, told } = flowTo(() => {
    deliveries++;
    if (deliveries === 1) return Promise.resolve();
    flow.close();
    return undefined;
  });
  for (let chunk = 0; chunk < 3; chunk++) flow.take(output(1));
  await new Promise(setImmediate);
  assert.deepEqual([deliveries, told, flow.isBusy], [2, [], false]);
});

test('a flow is idle when its last promise has resolved, and a rejection closes it', async () => {
  const { flow, told } = flowTo((_stream, chunk) =>
    chunk.byteLength === 1 ? Promise.resolve() : Promise.reject(new Error('no')),
  );
  flow.take(output(1));
  flow.take(output(1));
  assert.equal(flow.isBusy, true);
  await new Promise(setImmediate);
  assert.deepEqual([told, flow.isBusy], [['idle'], false]);
  for (let chunk = 0; chunk < 2; chunk++) flow.take(output(2));
  await new Promise(setImmediate);
  assert.deepEqual([told, flow.isBusy], [['idle', 'failed: Error: no'], false]);
});
