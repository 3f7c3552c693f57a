/** How a call ended, as the frame that says so. */
import { inspect } from 'node:util';
import { encode } from '../wire/codec/codec.js';
import { MAX_PAYLOAD_BYTES } from '../wire/frames.js';
import { FrameType, type FailedReport } from '../wire/messages.js';

export interface Outcome {
  readonly type: typeof FrameType.Value | typeof FrameType.Failed;
  readonly payload: Uint8Array;
  /** Of the call that it answers, where that is a later one of its batch: those before it then do not run. */
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

/** The thrown value travels as it is; only where it cannot, an Error that describes it goes in its place. */
export function failed(
  kind: FailedReport['kind'],
  error: unknown,
  ended: Pick<FailedReport, 'killed' | 'output'> = {},
): Outcome {
  const report: FailedReport = { kind, error, ...ended };
  try {
    const payload = encode(report);
    if (payload.byteLength <= MAX_PAYLOAD_BYTES) return { type: FrameType.Failed, payload };
  } catch {
    // What was thrown cannot be encoded; what was thrown matters more than why it cannot.
  }
  return { type: FrameType.Failed, payload: encode({ ...report, error: new Error(describe(error)) }) };
}

/** In a few words, for a sentence. */
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
