/** A utility module whose method writes what it is told into the stream of its agent, between the agent's own frames. */
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

const VALUE = 17;
const HEADER_BYTES = 13;

/** As the agent would answer a call, but that it may announce more bytes than it has. */
export function answer(batch: number, index: number, payload: Uint8Array, announcedBytes = payload.byteLength): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(announcedBytes, 0);
  header.writeUInt8(VALUE, 4);
  header.writeUInt32LE(batch, 5);
  header.writeUInt32LE(index, 9);
  return Buffer.concat([header, payload]);
}
