/**
 * What starts the agent: `node -e '<LOADER>' <marker>`. The loader answers at once with the marker and the Node version
 * (all that an old Node can do), then reads the agent's bundle from stdin and runs it, without touching the disk.
 */
import { gzipSync } from 'node:zlib';

/**
 * ES5, so that every Node parses it and reports its version; without single quote, backslash, exclamation mark,
 * percent, backtick and newline, so that every login shell, csh included, takes it in single quotes.
 *
 * It reads exactly the announced bytes; the frames after them are the agent's. The bundle runs as a function body with
 * `require` and `bundle`, its own text, from which it starts the thread of a utility module.
 */
export const LOADER = [
  '(function(){',
  'var f=require("fs"),v=process.version,n=String.fromCharCode(10);',
  'f.writeSync(1,n+process.argv[1]+" "+v+n);',
  'if(parseInt(v.slice(1),10)<18)process.exit(1);',
  'function r(b){for(var a=0,k;a<b.length;a+=k){',
  'try{k=f.readSync(0,b,a,b.length-a,null)}',
  // The other end of an inherited stdin may have made it non-blocking.
  'catch(e){if(e.code==="EAGAIN"){k=0;Atomics.wait(new Int32Array(new SharedArrayBuffer(4)),0,0,5);continue}throw e}',
  'if(k===0)process.exit(1)}return b}',
  // Names the text in stacks.
  'var s=require("zlib").gunzipSync(r(Buffer.alloc(r(Buffer.alloc(4)).readUInt32LE(0)))).toString()+n+"//# sourceURL=drone-agent";',
  'new Function("require","bundle",s)(require,s)',
  '})()',
].join('');

/**
 * The first bytes for the loader's stdin: a u32le length and the gzipped bundle, a third of its size, which every
 * connection has to encrypt and hold.
 */
export function bundleInput(bundle: Uint8Array | string): Uint8Array {
  const packed = gzipSync(bundle, { level: 9 });
  const input = new Uint8Array(4 + packed.byteLength);
  new DataView(input.buffer).setUint32(0, packed.byteLength, true);
  input.set(packed, 4);
  return input;
}

export function framesBehindBundle(input: Uint8Array): Uint8Array {
  return input.subarray(4 + new DataView(input.buffer, input.byteOffset).getUint32(0, true));
}
