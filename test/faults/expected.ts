/** What a failure is to tell, to the last call of each list. */
import assert from 'node:assert/strict';
import type { AnyDrone, Call, DroneError } from 'drone-task-queue';

export interface Expected extends Pick<DroneError, 'kind' | 'phase'> {
  /** Default: 1, a cold connection. */
  readonly attempts?: number | 'several';
  /** Of the cause; default none. */
  readonly code?: string;
  /** What the message says of the cause. */
  readonly says: RegExp;
  /** How many calls have answered; default none. */
  readonly completed?: number;
  readonly call?: Call;
  readonly mayHaveRun?: readonly Call[];
  readonly notStarted?: readonly Call[];
  /** In the drone's queue again. */
  readonly back: readonly Call[];
}

/** Holds a drone's failure to it. */
export function assertFailure(drone: AnyDrone, failure: DroneError, expected: Expected): void {
  const { kind, phase, attempts = 1, code, says, completed = 0, mayHaveRun = [], notStarted = [], back } = expected;
  const { message } = failure;
  assert.match(message, says);
  assert.deepEqual([failure.kind, failure.phase], [kind, phase], message);
  if (attempts === 'several') assert.ok(failure.attempts > 1, `attempts: ${String(failure.attempts)}`);
  else assert.equal(failure.attempts, attempts, 'attempts');
  assert.equal((failure.cause as { code?: unknown } | undefined)?.code, code);
  assert.equal(failure.completed.length, completed);
  assert.equal(failure.call, expected.call);
  assertSameCalls(failure.mayHaveRun, mayHaveRun, 'mayHaveRun');
  assertSameCalls(failure.notStarted, notStarted, 'notStarted');
  assertSameCalls(drone.getCalls(), back, 'back in the queue');
}

/** The very same, and not others that look like them. */
function assertSameCalls(actual: readonly Call[], expected: readonly Call[], what: string): void {
  assert.deepEqual(actual.map(String), expected.map(String), what);
  assert.ok(
    actual.every((call, at) => call === expected[at]),
    what,
  );
}
