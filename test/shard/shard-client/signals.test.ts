/** Shards as processes of their own, which signals end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { leakCheck } from '../../support/leak-check.js';

leakCheck();

const PROGRAM = fileURLToPath(new URL('./programs/until-signal.js', import.meta.url));

const heard = (signal: string): string =>
  `shard_client: ${signal}, stopping after this tick; a second signal stops at once`;

const ENDS = [
  {
    mode: 'start-up',
    does: 'before its first packet is sent lets that heartbeat end',
    lines: [heard('SIGTERM'), 'asks', 'ended after 1'],
    on: { [heard('SIGTERM')]: 'answer' },
  },
  {
    mode: 'pause',
    does: 'in a pause of an hour ends it',
    lines: ['asks', heard('SIGINT'), 'ended after 1'],
    on: { asks: 'SIGINT' },
  },
  {
    mode: 'deaf-master',
    does: 'while its master does not answer waits for that, and a second one does not',
    lines: ['asks', heard('SIGTERM'), 'shard_client: SIGINT again, stopping at once', 'ended after 0'],
    on: { asks: 'SIGTERM', [heard('SIGTERM')]: 'SIGINT' },
  },
] as const;

for (const { mode, does, lines, on } of ENDS) {
  test(`a signal to a shard ${does}`, async () => {
    const child = spawn(process.execPath, [PROGRAM, mode], { stdio: ['pipe', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    const seen: string[] = [];
    for await (const line of createInterface(child.stdout)) {
      seen.push(line);
      const next = (on as Readonly<Record<string, string>>)[line];
      if (next === 'answer') child.stdin.end('go\n');
      else if (next !== undefined) child.kill(next as NodeJS.Signals);
    }
    assert.deepEqual(await closed, [0, null]);
    // Whether a signal is heard before its first heartbeat asks is up to the system.
    assert.deepEqual(seen.sort(), [...lines].sort());
  });
}
