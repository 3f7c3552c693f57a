import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { NODE_MAJORS, nodeBinary } from '../../scripts/node-versions.js';

test('every version that was asked for is the one that runs', () => {
  for (const major of NODE_MAJORS) {
    const version = execFileSync(nodeBinary(major), ['-p', 'process.version'], { encoding: 'utf8' });
    assert.match(version, new RegExp(`^v${String(major)}\\.`));
  }
});

test('a version that cannot be had is an error of one line that names it', () => {
  assert.throws(() => nodeBinary(999), /^Error: cannot install node-\S+@999 from npm, which this test needs: [^\n]+$/);
});
