/** A utility module whose method writes its argument into the stream of its agent, between the agent's own frames. */
import { encodeFrame } from '../../src/queue/wire/frames.js';
import { FrameType } from '../../src/queue/wire/messages.js';

const SOURCE = `
import { writeSync } from 'node:fs';
export function say(bytes) { writeSync(1, bytes); }
export function echo(value) { return value; }
`;

export const LYING_UTILITY = new URL(`data:text/javascript,${encodeURIComponent(SOURCE)}`);

export interface LyingMethods {
  say(bytes: Uint8Array): void;
  echo(value: string): string;
}

/** As the agent would answer a call, but that it may announce more bytes than it has. */
export function answer(batch: number, index: number, payload: Uint8Array, announcedBytes?: number): Uint8Array {
  const frame = encodeFrame(FrameType.Value, batch, index, payload);
  if (announcedBytes !== undefined) new DataView(frame.buffer).setUint32(0, announcedBytes, true);
  return frame;
}
