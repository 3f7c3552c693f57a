// An agent that answers each call with the value that is written in its environment, as the codec writes values. Stands
// alone, since it is copied to where a drone can read it.
import { serialize } from 'node:v8';

const READY = 16;
const VALUE = 17;
const CALL = 3;
const HEADER_BYTES = 13;

/** @param {number} type @param {number} batch @param {number} index @param {unknown} value */
function say(type, batch, index, value) {
  const payload = serialize(value);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt8(type, 4);
  header.writeUInt32LE(batch, 5);
  header.writeUInt32LE(index, 9);
  process.stdout.write(Buffer.concat([header, payload]));
}

// The last argument is the login's limit of open files.
process.stdout.write(`\n${String(process.argv.at(-2))} ${process.version}\n`);
const lie = JSON.parse(String(process.env['LIE']));
say(READY, 0, 0, { protocol: 2, pid: process.pid, nodeVersion: process.version, ...lie });

let held = Buffer.alloc(0);
let isBundleRead = false;
process.stdin.on('data', chunk => {
  held = Buffer.concat([held, chunk]);
  for (;;) {
    const headBytes = isBundleRead ? HEADER_BYTES : 4;
    if (held.length < headBytes || held.length < headBytes + held.readUInt32LE(0)) return;
    const length = headBytes + held.readUInt32LE(0);
    if (isBundleRead && held.readUInt8(4) === CALL) say(VALUE, held.readUInt32LE(5), held.readUInt32LE(9), lie);
    isBundleRead = true;
    held = held.subarray(length);
  }
});
