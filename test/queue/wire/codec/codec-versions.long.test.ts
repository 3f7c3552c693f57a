import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { NODE_MAJORS, nodeBinary } from '../../../../scripts/node-versions.js';

const run = promisify(execFile);
let folder = '';
let peer = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'codec-versions-'));
  peer = join(folder, 'codec-peer.cjs');
  await build({
    entryPoints: [fileURLToPath(new URL('codec-peer.js', import.meta.url))],
    outfile: peer,
    bundle: true,
    platform: 'node',
    target: 'node18',
    format: 'cjs',
    // As the agent is built.
    keepNames: true,
    logLevel: 'error',
  });
});

after(() => rm(folder, { recursive: true, force: true }));

function written(major: number): string {
  return join(folder, `written-by-${String(major)}.json`);
}

async function peerOf(major: number, ...args: string[]): Promise<void> {
  try {
    await run(nodeBinary(major), [peer, ...args]);
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    assert.fail(`Node ${String(major)} ${String(args[0])}:\n${stdout}${stderr}`);
  }
}

test('what any Node from 18 to 26 encodes, any other decodes to the same', async t => {
  for (const major of NODE_MAJORS) await peerOf(major, 'write', written(major));
  for (const major of NODE_MAJORS) {
    await t.test(`Node ${String(major)} reads what all of them wrote`, () =>
      peerOf(major, 'read', ...NODE_MAJORS.map(written)),
    );
  }
});

test('bytes made to do harm do none on any Node from 18 to 26', async () => {
  for (const major of NODE_MAJORS) await peerOf(major, 'hostile');
});
