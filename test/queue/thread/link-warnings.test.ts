import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeClock } from 'drone-task-queue/testing';
import { decode, encode } from '../../../src/queue/wire/codec/codec.js';
import { encodeFrame, FrameReader } from '../../../src/queue/wire/frames.js';
import { Outbox } from '../../../src/queue/thread/outbox.js';
import { LinkWarnings } from '../../../src/queue/thread/link-warnings.js';
import { FrameType, type LinkReport } from '../../../src/queue/wire/messages.js';
import { leakCheck } from '../../support/leak-check.js';

leakCheck();

const MOST = 1000;
const MOST_BYTES = 1024 * 1024;
const INTERVAL_MS = 15_000;
const BATCH = 7;

/** What the main thread gets of it, in order; `batch` 0 for what belongs to none. */
class Scene {
  readonly clock = new FakeClock();
  readonly #told: { batch: number; message: string }[] = [];
  readonly #outbox = new Outbox(bytes => {
    new FrameReader((type, batch, _index, payload) => {
      const value = decode(payload);
      if (type === FrameType.Warning) this.#told.push({ batch, message: value as string });
      else this.#told.push({ batch, message: (value as LinkReport).message ?? '' });
    }).push(bytes);
  });
  readonly warnings = new LinkWarnings(
    { transport: 'local', key: 'local', hostname: 'web1' },
    this.#outbox,
    this.clock,
  );

  /** What was passed on since it was last asked for. */
  told(): { batch: number; message: string }[] {
    this.#outbox.flush();
    return this.#told.splice(0);
  }

  /** As the agent of a batch would warn. */
  warn(message: string): void {
    const payload = encode(message);
    this.warnings.take(payload, encodeFrame(FrameType.Warning, BATCH, 0, payload));
  }
}

test('warnings of a batch, of none and of stderr are passed on as they come', () => {
  const scene = new Scene();
  scene.warn('of a batch');
  scene.warnings.take(encode('of none'), undefined);
  scene.warnings.tell('stderr');
  assert.deepEqual(scene.told(), [
    { batch: BATCH, message: 'of a batch' },
    { batch: 0, message: 'of none' },
    { batch: 0, message: 'stderr' },
  ]);
  scene.warnings.end();
  assert.deepEqual(scene.told(), []);
  assert.equal(scene.clock.timers, 0);
});

test('of warnings without end only so many are passed on in an interval, and one more tells how many were not', async () => {
  const scene = new Scene();
  for (let at = 0; at < MOST; at++) {
    scene.warn('of a batch');
    scene.warnings.take(encode('of none'), undefined);
    scene.warnings.tell('stderr');
  }
  assert.equal(scene.told().length, MOST);
  await scene.clock.advance(INTERVAL_MS);
  const [note, ...more] = scene.told();
  assert.match(note?.message ?? '', new RegExp(`^and ${String(2 * MOST)} more warnings, omitted: `));
  assert.deepEqual(more, []);
  scene.warn('next');
  assert.equal(scene.told().length, 1);
  await scene.clock.advance(INTERVAL_MS);
  assert.deepEqual(scene.told(), []);
});

test('long warnings are passed on only up to so many bytes', () => {
  const scene = new Scene();
  scene.warn('x'.repeat(MOST_BYTES));
  scene.warnings.tell('x'.repeat(MOST_BYTES + 1));
  assert.deepEqual(scene.told(), []);
  scene.warn('short');
  assert.equal(scene.told().length, 1);
});

test('what was left out is reported at the end of the link, and nothing after it', () => {
  const scene = new Scene();
  for (let at = 0; at <= MOST; at++) scene.warn('again');
  scene.told();
  scene.warnings.end();
  assert.match(scene.told()[0]?.message ?? '', /^and 1 more warnings/);
  scene.warnings.tell('late');
  scene.warn('late');
  assert.deepEqual(scene.told(), []);
  assert.equal(scene.clock.timers, 0);
});

test('a warning that is not text breaks the protocol', () => {
  const scene = new Scene();
  assert.throws(
    () => {
      scene.warnings.take(encode(new Array(1000)), undefined);
    },
    { code: 'ERR_PROTOCOL' },
  );
  assert.deepEqual(scene.told(), []);
  scene.warnings.end();
});
