/** What drones warn of, in both queues. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { events, LocalDrone } from 'drone-task-queue';
import { encode } from '../../src/queue/wire/codec/codec.js';
import { encodeFrame, join } from '../../src/queue/wire/frames.js';
import { FrameType } from '../../src/queue/wire/messages.js';
import { LYING_UTILITY, type LyingMethods } from '../faults/lying-utility.js';
import { leakCheck } from '../support/leak-check.js';
import { queues } from './queues.js';
import { Witness } from './witness.js';

leakCheck();

const FLOOD = 1500;

for (const make of queues) {
  test(`${make.name}: a drone that warns without end is heard a thousand times, and the rest is counted`, async () => {
    using warnings = new Witness(events.droneWarning);
    const frame = encodeFrame(FrameType.Warning, 0, 0, encode('x'));
    {
      await using queue = make();
      const drone = new LocalDrone<LyingMethods>({ utility: LYING_UTILITY });
      drone.queueCall('say', join(new Array<Uint8Array>(FLOOD).fill(frame)));
      const echo = drone.queueCall('echo', 'well');
      assert.equal(echo.valueIn(await queue.execute([drone])), 'well');
    }
    await warnings.first(({ message }) => message.startsWith('and 500 more warnings, omitted: '));
    assert.equal(warnings.seen.length, 1001);
  });

  test(`${make.name}: a drone that warns of something other than text is not listened to any more`, async () => {
    await using queue = make();
    const drone = new LocalDrone<LyingMethods>({ utility: LYING_UTILITY });
    drone.queueCall('say', encodeFrame(FrameType.Warning, 0, 0, encode(new Array(1000))));
    drone.queueCall('echo', 'late');
    const { failures } = await queue.settle([drone]);
    assert.equal(failures.get(drone)?.kind, 'protocol');
  });
}
