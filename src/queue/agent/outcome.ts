import { inspect } from 'node:util';
import { encode } from '../wire/codec/codec.js';
import { MAX_PAYLOAD_BYTES } from '../wire/frames.js';
import { FrameType, type FailedReport } from '../wire/messages.js';
import { ExitError } from './exit-error.js';

export interface Outcome {
  readonly type: typeof FrameType.Value | typeof FrameType.Failed;
  readonly payload: Uint8Array;
  /** Index of the call that it answers, if that is a later one of the batch: those before it do not run. */
  readonly index?: number;
}

const DESCRIPTION_CHARS = 10_000;

export function returned(value: unknown): Outcome {
  let payload: Uint8Array;
  try {
    payload = encode(value);
  } catch (error) {
    return failed('not-cloneable', error);
  }
  if (payload.byteLength <= MAX_PAYLOAD_BYTES) return { type: FrameType.Value, payload };
  const size = `${String(payload.byteLength)} bytes, more than the ${String(MAX_PAYLOAD_BYTES)} that a reply can hold`;
  return failed('not-cloneable', Object.assign(new RangeError(`the result takes ${size}`), { code: 'ERR_TOO_LARGE' }));
}

/** The thrown value travels as it is, or as an Error that describes it where it cannot be encoded. */
export function failed(
  kind: FailedReport['kind'],
  error: unknown,
  ended: Pick<FailedReport, 'killed' | 'output'> = {},
): Outcome {
  const result = error instanceof ExitError ? error.result : undefined;
  const report: FailedReport = { kind, error, ...ended, ...(result && { result }) };
  try {
    const payload = encode(report);
    if (payload.byteLength <= MAX_PAYLOAD_BYTES) return { type: FrameType.Failed, payload };
  } catch {
    // The error itself matters more than why it cannot be encoded.
  }
  return { type: FrameType.Failed, payload: encode({ kind, ...ended, error: new Error(describe(error)) }) };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : describe(error);
}

/** Any value in words, of bounded length; never throws. */
export function describe(value: unknown): string {
  try {
    return inspect(value, { depth: 2, maxStringLength: 1000, customInspect: false }).slice(0, DESCRIPTION_CHARS);
  } catch (error) {
    return `a ${typeof value} that cannot be shown: ${error instanceof Error ? error.message : typeof error}`;
  }
}
