/** What every logical clock keeps to. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryLogicalClock, type LogicalClock } from 'drone-task-queue/tenants';

const CLOCKS: readonly (readonly [name: string, make: () => LogicalClock])[] = [
  ['memory', () => new MemoryLogicalClock()],
  ['memory, going on from somewhere', () => new MemoryLogicalClock(1_000_000)],
];

for (const [name, make] of CLOCKS) {
  test(`${name}: whoever asks gets a higher ltime than all before`, async () => {
    const clock = make();
    const first = await clock.next();
    const given = await Promise.all(Array.from({ length: 20 }, async () => clock.next()));
    assert.equal(new Set([first, ...given]).size, 21);
    assert(given.every(ltime => Number.isSafeInteger(ltime) && ltime > first));
    assert((await clock.next()) > Math.max(...given));
  });
}

test('a clock does not start after an ltime that is none', () => {
  assert.throws(() => new MemoryLogicalClock(-1), /after is -1, expected an integer of 0 or more/);
});
