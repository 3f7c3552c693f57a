import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, readdirSync, readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { executeCommand } from '../../../src/queue/agent/execute-command.js';
import { leakCheck } from '../../support/leak-check.js';
import { temporaryFolder } from '../../support/processes-left.js';

leakCheck();

const OPEN_FILES = '/proc/self/fd';

/** The directory's own descriptor is among its entries, and gone by now. */
function isOpenAs(path: string, fd: string): boolean {
  try {
    return readlinkSync(join(OPEN_FILES, fd)) === path;
  } catch {
    return false;
  }
}

test('nothing runs, and no pidfile is there, when the log cannot be closed', async t => {
  const folder = await temporaryFolder(t);
  // Closed behind its back as soon as the leader has it, the log is an error to close, as one can be on a network file system.
  const closeLog = (): void => {
    const fd = readdirSync(OPEN_FILES).find(each => isOpenAs(join(folder, 'log'), each));
    closeSync(Number(fd ?? assert.fail('the log is not open')));
  };
  const onProcess = (): void => {
    queueMicrotask(closeLog);
  };
  subscribe('child_process', onProcess);
  t.after(() => unsubscribe('child_process', onProcess));
  const context = {
    signal: new AbortController().signal,
    killGraceMs: 0,
    output: undefined,
    prints: () => undefined,
    warn: (message: string) => assert.fail(message),
    openTransfer: () => assert.fail(),
  };
  const options = { workingDirectory: folder, logFile: 'log', pidfileName: 'pid' };
  await assert.rejects(executeCommand(context, ['touch', 'ran'], options), { code: 'EBADF' });
  assert.deepEqual(await readdir(folder), ['log']);
});
