import assert from 'node:assert/strict';
import test from 'node:test';
import { LoginNoise } from '../../../../../src/queue/transport/ssh/plain/login-noise.js';

function read(chunks: readonly string[]): { words: string[]; own: string } {
  const words: string[] = [];
  const stream = new LoginNoise('drone-1', word => words.push(word));
  const own = chunks.map(chunk => Buffer.from(stream.own(Buffer.from(chunk, 'latin1'))).toString('latin1')).join('');
  return { words, own };
}

test('what stands in front of the marker is left out, wherever the chunks are cut', () => {
  const whole = 'Welcome drone-\xff\nto it\ndrone-1 4711\nown \xffdrone-1 x\n';
  for (let at = 0; at <= whole.length; at++) {
    assert.deepEqual(read([whole.slice(0, at), whole.slice(at)]), { words: ['4711'], own: 'own \xffdrone-1 x\n' });
  }
  assert.equal(read(whole.split(/(?=)/)).own, 'own \xffdrone-1 x\n');
});

test('noise without end takes no memory without end', () => {
  const stream = new LoginNoise('drone-1', () => undefined);
  for (let at = 0; at < 100; at++) stream.own(Buffer.alloc(100_000, 'x'));
  assert(stream.noise.length <= 4096);
  stream.own(Buffer.from('drone-1 '));
  for (let at = 0; at < 100; at++) stream.own(Buffer.alloc(100_000, 'x'));
  assert(stream.noise.length <= 4096, 'nor does a marker whose line never ends');
});
