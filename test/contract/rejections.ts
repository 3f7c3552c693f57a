/** What a test expects to go wrong, taken apart. */
import assert from 'node:assert/strict';
import { type AnyDrone, DroneError, DroneTaskQueueException, type DroneTaskQueueExceptionCode } from 'drone-task-queue';

/** What the promise rejects with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  const rejected = await promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  assert.ok(rejected, 'it resolved');
  return rejected.error;
}

/** The exception that a round or a refusal rejects with. */
export async function exceptionOf(
  promise: Promise<unknown>,
  code: DroneTaskQueueExceptionCode = 'ERR_DRONES_FAILED',
): Promise<DroneTaskQueueException> {
  const error = await rejectionOf(promise);
  if (!(error instanceof DroneTaskQueueException)) throw error;
  assert.equal(error.code, code, error.message);
  return error;
}

/** A refusal: its code, and nothing in it. */
export async function refusalOf(
  promise: Promise<unknown>,
  code: DroneTaskQueueExceptionCode,
): Promise<DroneTaskQueueException> {
  const refusal = await exceptionOf(promise, code);
  assert.equal(refusal.failures.size, 0);
  assert.equal(refusal.results.size, 0);
  assert.deepEqual(refusal.errors, []);
  return refusal;
}

/** The failure of a drone in a round. */
export function failureOf(
  round: { readonly failures: ReadonlyMap<AnyDrone, DroneError> },
  drone: AnyDrone,
): DroneError {
  const failure = round.failures.get(drone);
  assert.ok(failure instanceof DroneError, `${drone.hostname} has no failure`);
  assert.equal(failure.hostname, drone.hostname);
  return failure;
}
