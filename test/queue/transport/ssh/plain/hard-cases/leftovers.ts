/** What a command leaves running does not keep its call, and outlives it: later calls, their end, and the connection. */
import assert from 'node:assert/strict';
import { endAll, newMark, processesWith, until } from '../../../../../faults/processes.js';
import { equalSaid, type HardCase, type Lab } from './lab.js';

const HOLDERS: Readonly<Record<string, (mark: string) => string>> = {
  'with its outputs': mark => `sleep ${mark} &`,
  'without outputs': mark => `sleep ${mark} >/dev/null 2>&1 </dev/null &`,
  'in a session of its own': mark => `/usr/bin/setsid sleep ${mark} &`,
  'under nohup, without outputs': mark => `nohup sleep ${mark} >/dev/null 2>&1 </dev/null &`,
};

/** Leaves one of each kind, to which the marks belong. */
async function leaveAll(lab: Lab, marks: readonly string[]): Promise<void> {
  for (const [at, [how, leave]] of Object.entries(HOLDERS).entries()) {
    const mark = marks[at] ?? '';
    equalSaid(await lab.said(`${leave(mark)} echo left; exit 3`), { exitCode: 3, stdout: 'left\n' }, how);
    await until(() => processesWith(mark).length > 0, how);
  }
}

function assertAll(marks: readonly string[], when: string): void {
  const gone = Object.keys(HOLDERS).filter((_how, at) => processesWith(marks[at] ?? '').length === 0);
  assert.deepEqual(gone, [], `${when} what was left so has ended`);
}

export const LEFTOVERS: readonly HardCase[] = [
  {
    name: 'a child that holds the output does not keep the call',
    isQuick: true,
    run: async lab => {
      equalSaid(await lab.said(`sleep ${lab.mark} & echo out; echo err >&2; exit 3`), {
        exitCode: 3,
        stdout: 'out\n',
        stderr: 'err\n',
      });
      assert.equal(processesWith(lab.mark).length, 1);
    },
  },
  {
    name: 'twenty calls that each leave a child give what they should',
    run: async lab => {
      for (let at = 0; at < 20; at++)
        equalSaid(await lab.said(`sleep ${lab.mark} & echo ${String(at)}`), { stdout: `${String(at)}\n` });
      assert.equal(processesWith(lab.mark).length, 20);
    },
  },
  {
    name: 'a child that prints without end does not keep the call, nor prints into the next',
    isQuick: true,
    run: async lab => {
      const { exitCode, totalBytes } = await lab.run(`yes ${lab.mark} & exit 3`);
      assert.equal(exitCode, 3);
      assert.equal(totalBytes.stderr, 0);
      for (const word of ['two', 'three']) equalSaid(await lab.said(`echo ${word}`), { stdout: `${word}\n` });
    },
  },
  {
    name: 'what is left outlives a later call, one that is ended, and the queue',
    isQuick: true,
    run: async lab => {
      const marks = Object.keys(HOLDERS).map(newMark);
      try {
        await leaveAll(lab, marks);
        await lab.checkNext();
        assertAll(marks, 'behind another call');
        const failure = await lab.cancelled(`echo x; exec sleep ${lab.mark}`);
        assert.equal(failure.killed, true);
        assertAll(marks, 'behind a call that was ended');
        await lab.checkNext();
        await lab.close();
        assertAll(marks, 'behind the queue');
      } finally {
        marks.forEach(endAll);
      }
    },
  },
  {
    name: 'the end of a command that still runs spares what an earlier one left in its place',
    run: async lab => {
      const marks = Object.keys(HOLDERS).map(newMark);
      try {
        await leaveAll(lab, marks);
        const stubborn = `trap "" TERM; sh -c 'while :; do sleep 0.1; done; : ${lab.mark}' & echo x; wait; wait`;
        const failure = await lab.cancelled(stubborn);
        assert.equal(failure.killed, true);
        assert.deepEqual(processesWith(lab.mark), []);
        assertAll(marks, 'behind a call that was killed');
      } finally {
        marks.forEach(endAll);
      }
    },
  },
];
