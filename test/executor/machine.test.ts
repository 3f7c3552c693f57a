/** Where a pid means the same. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { machine } from '../../src/executor/machine.js';
import { Workshop } from './repositories.js';

test('hosts of one name differ by their machine-id, and one that has none has a name as well', () => {
  using workshop = new Workshop();
  const names = ['a', 'b'].map(id => {
    const file = join(workshop.folder, id);
    writeFileSync(file, `${id}\n`);
    assert.equal(machine(file), machine(file));
    return machine(file);
  });
  names.push(machine(join(workshop.folder, 'none')));
  assert.equal(new Set(names).size, 3);
  for (const name of names) assert.match(name, /^[0-9a-f]{12}$/);
});

test('a machine-id that is there and cannot be read is an error, or the machine would have another name', () => {
  using workshop = new Workshop();
  assert.throws(() => machine(workshop.folder), { code: 'EISDIR' });
});
