/** Live output over a real OpenSSH server. */
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { type OutputChunk, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { leakCheck } from '../../../support/leak-check.js';
import { type Sshd, startSshd } from '../../../support/sshd.js';

const WINDOW_BYTES = 256 * 1024;

let sshd: Sshd;
before(async () => {
  sshd = await startSshd();
});
after(() => sshd.stop());
leakCheck();

test('a reader that is stuck holds its own command, and no other on the same connection or drone', async () => {
  await using queue = new ThreadedTaskQueue({ threads: 1 });
  const options = sshd.droneOptions();
  const [stuck, beside] = [new SshDrone('web1', options), new SshDrone('web1', options)];
  const elsewhere = new SshDrone('web2', sshd.droneOptions(sshd.addresses[1]));
  const command = 'head -c 20000000 /dev/zero; exit 4';
  const held = stuck.queueCall('run', command);
  const output = held.output()[Symbol.asyncIterator]();
  const heardBytes = [0, 0];
  const calls = [beside, elsewhere].map((drone, at) => {
    const onOutput = (_stream: string, chunk: Uint8Array): void => {
      heardBytes[at] = (heardBytes[at] ?? 0) + chunk.byteLength;
    };
    return drone.with({ onOutput }).queueCall('run', command);
  });
  await queue.execute([stuck, beside, elsewhere], { wait: false });
  let readBytes = ((await output.next()).value as OutputChunk).chunk.byteLength;
  while (queue.inFlight().some(({ drone }) => drone !== stuck)) await new Promise(setImmediate);
  assert.deepEqual(heardBytes, [20_000_000, 20_000_000]);
  assert.deepEqual(
    queue.inFlight().map(({ drone }) => drone),
    [stuck],
  );
  assert.ok(readBytes < WINDOW_BYTES);
  for (let next = await output.next(); next.done !== true; next = await output.next()) {
    readBytes += next.value.chunk.byteLength;
  }
  const results = await queue.getResults();
  assert.equal(held.valueIn(results).totalBytes.stdout, 20_000_000);
  assert.equal(readBytes, 20_000_000);
  assert.deepEqual(
    [held, ...calls].map(call => call.valueIn(results).exitCode),
    [4, 4, 4],
  );
});
