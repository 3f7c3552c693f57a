import assert from 'node:assert/strict';
import test from 'node:test';
import { NODE_MAJORS, nodeBinary } from '../../../scripts/node-versions.js';
import { leakCheck } from '../../support/leak-check.js';
import { startAgent } from './spawn-agent.js';

leakCheck();

const UTILITY = 'file:///drone/mine.mjs';

for (const major of NODE_MAJORS) {
  test(`the agent, its methods and a user's own work on Node ${String(major)}`, async () => {
    await using agent = await startAgent({ node: nodeBinary(major) });
    assert.equal((await agent.call('run', 'echo $((1 + 1))')).stdout, '2\n');
    assert.ok((await agent.call('refresh', [])).processes.some(({ pid }) => pid === agent.pid));
    agent.sendUtility(UTILITY, 'export const add = (a, b) => { console.log("adding"); return a + b; }');
    agent.sendCall(1, 0, 'add', [1n, 2n], { utility: UTILITY });
    assert.equal(await agent.value(1, 0), 3n);
    assert.deepEqual(agent.warnings(1), ['utility:mine.mjs printed: adding']);
    agent.sendUtility('file:///drone/other.mjs', 'export function leave() { process.exit(3); }');
    agent.sendCall(2, 0, 'leave', [], { utility: 'file:///drone/other.mjs' });
    assert.match((await agent.failure(2, 0)).error.message, /process\.exit\(3\)/);
    assert.equal(agent.stderr, '');
  });
}
