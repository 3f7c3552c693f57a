/** Which hosts are this machine. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isThisMachine } from '../../../src/shard/cli/this-machine.js';

test('this machine is known by its names, and not by how they begin', () => {
  for (const name of ['localhost', 'LOCALHOST', '127.0.0.1', '127.9.9.9', '::1', '[::1]']) {
    assert(isThisMachine(name), name);
  }
  for (const name of ['localhost.evil.example', '127.evil.example', '127.0.0.1.evil.example', '128.0.0.1', '::', '']) {
    assert(!isThisMachine(name), name);
  }
});
