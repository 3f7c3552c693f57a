// An agent that is believed at first: it says what the loader says and that it is ready, and once it has a call, has a
// vice. Arguments: the vice, the marker. For Node 18 and up, and nothing of ours is at hand here: frames are as in
// src/queue/wire/frames.ts, values as v8.serialize writes them.
import { writeSync } from 'node:fs';
import { serialize } from 'node:v8';

const CALL = 3;
const READY = 16;
const VALUE = 17;
const HEADER_BYTES = 13;

/** @param {number} type @param {number} batch @param {number} index @param {Buffer} payload */
function frame(type, batch, index, payload, announcedBytes = payload.byteLength) {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(announcedBytes, 0);
  header.writeUInt8(type, 4);
  header.writeUInt32LE(batch, 5);
  header.writeUInt32LE(index, 9);
  return Buffer.concat([header, payload]);
}

/** @param {number} batch @param {number} index */
function value(batch, index) {
  return frame(VALUE, batch, index, serialize('forged'));
}

const NO_FRAMES = Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');

/**
 * What is answered to the first call of a batch, by the name of the vice; `end` ends the agent.
 * @type {Record<string, (batch: number) => (Buffer | 'end')[]>}
 */
const VICES = {
  huge: batch => [frame(VALUE, batch, 0, Buffer.alloc(1000), 0xffff_ffff)],
  truncated: batch => [frame(VALUE, batch, 0, Buffer.alloc(10), 20), value(batch, 0), value(batch, 1)],
  unfinished: batch => [frame(VALUE, batch, 0, Buffer.alloc(10), 20), 'end'],
  garbage: () => [NO_FRAMES],
  unknown: batch => [frame(99, batch, 0, Buffer.alloc(0))],
  'other-call': batch => [value(batch, 1)],
  'no-call': batch => [value(batch, 1000)],
  'no-batch': batch => [value(batch + 1_000_000, 0)],
  // Batches are numbered in the order of the drones in a round.
  'other-drone': batch => [value(batch - 1, 0), value(batch + 1, 0)],
  twice: batch => [value(batch, 0), value(batch, 0)],
};

const [vice = '', marker = ''] = process.argv.slice(2);

/** @param {Buffer | string} bytes */
function say(bytes) {
  for (let at = 0; at < bytes.length;) at += writeSync(1, Buffer.from(bytes), at);
}

say(`\n${marker} ${process.version}\n`);
if (vice === 'no-agent') say(NO_FRAMES);
else say(frame(READY, 0, 0, serialize({ protocol: 2, pid: process.pid })));

let held = Buffer.alloc(0);
let skipped = false;
process.stdin.on('data', chunk => {
  held = Buffer.concat([held, chunk]);
  if (!skipped) {
    // The agent's bundle, which a true Node would run.
    const bundleEnd = held.length < 4 ? Infinity : 4 + held.readUInt32LE(0);
    if (held.length < bundleEnd) return;
    held = held.subarray(bundleEnd);
    skipped = true;
  }
  while (held.length >= HEADER_BYTES) {
    const end = HEADER_BYTES + held.readUInt32LE(0);
    if (held.length < end) return;
    const [type, batch, index] = [held.readUInt8(4), held.readUInt32LE(5), held.readUInt32LE(9)];
    held = held.subarray(end);
    if (type !== CALL || index !== 0) continue;
    for (const part of VICES[vice]?.(batch) ?? []) {
      if (part === 'end') process.exit(0);
      say(part);
    }
  }
});
