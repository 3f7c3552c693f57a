/** Commands that are ended: by a time-out, a signal or the end of the queue. What is reported as killed is gone. */
import assert from 'node:assert/strict';
import { newMark, noneLeft, processesWith, until } from '../../../../../faults/processes.js';
import { equalSaid, failureOf, type HardCase, type Lab } from './lab.js';

const loop = (mark: string): string => `while :; do sleep 0.1; done; : ${mark}`;

/** Text for sh that prints once it and its children run, and goes on until it is ended. */
const ENDLESS: Readonly<Record<string, (mark: string) => string>> = {
  'that waits': mark => `echo x; exec sleep ${mark}`,
  'with a child': mark => `echo x; sleep ${mark}; echo y`,
  'that ignores TERM, as do its children': mark =>
    `trap "" TERM; sh -c '${loop(mark)}' & sh -c '${loop(mark)}' & echo x; ${loop(mark)}`,
  'that ignores TERM, HUP, INT, QUIT and PIPE': mark => `trap "" TERM HUP INT QUIT PIPE; echo x; ${loop(mark)}`,
  'in a pipeline that ignores TERM': mark =>
    `trap "" TERM; echo x >&2; (${loop(mark)}) | (/bin/cat; ${loop(mark)}) | ${loop(mark)}`,
  'whose child ignores TERM, but not itself': mark => `sh -c 'trap "" TERM; echo x; ${loop(mark)}'; echo y`,
  'that starts one process after the other': mark =>
    `trap "" TERM; echo x; while :; do sh -c ': ${mark}' & sleep 0.01; done`,
  'that has stopped itself': mark => `echo x; kill -s STOP $$; : ${mark}`,
  'that has closed its outputs': mark => `trap "" TERM; echo x; exec >&- 2>&- <&-; ${loop(mark)}`,
  'that has left its outputs to others': mark =>
    `exec 3>&1; echo x; sleep ${mark} >&3 & exec sleep ${mark} >/dev/null 2>&1`,
  'that prints without end': mark => `trap "" TERM; yes ${mark}`,
};

/** Gone when it says so. */
async function assertEnds(lab: Lab, command: string): Promise<void> {
  const failure = await lab.cancelled(command);
  assert.equal(failure.killed, true);
  assert.deepEqual(processesWith(lab.mark), []);
  assert.deepEqual([failure.mayHaveRun.length, failure.notStarted.length], [0, 0]);
}

export const DEADLINES: readonly HardCase[] = [
  ...Object.entries(ENDLESS).map(([what, command]): HardCase => ({
    name: `a command ${what} is gone with its children when it is ended`,
    isQuick: what.includes('children'),
    run: lab => assertEnds(lab, command(lab.mark)),
  })),
  {
    name: 'a command whose time is up is gone with its children, and what it printed is in the failure',
    run: async lab => {
      const command = `trap "" TERM; echo out; echo err >&2; sh -c '${loop(lab.mark)}' & ${loop(lab.mark)}`;
      for (const timeoutMs of [1, 20, 1000]) {
        const failure = await failureOf(lab.run(command, {}, { timeoutMs }));
        assert.deepEqual([failure.kind, failure.killed], ['timeout', true]);
        assert.deepEqual(processesWith(lab.mark), []);
        const { stdout = '', stderr = '' } = failure.output ?? {};
        assert.match(`${stdout}${stderr}`, /^(out\n)?(err\n)?$/);
        await lab.checkNext();
      }
    },
  },
  {
    name: 'of three commands at once the one that is ended is gone, and the others give what they should',
    where: ({ sessions = 10 }) => sessions > 2,
    run: async lab => {
      const marks = [newMark(), newMark()];
      const others = marks.map((mark, at) => lab.said(`${lab.waitFor('go')}; echo ${String(at)}; : ${mark}; exit 3`));
      await until(() => marks.every(mark => processesWith(mark).length > 0), 'the others');
      await assertEnds(lab, `trap "" TERM; echo x; ${loop(lab.mark)}`);
      await lab.touch('go');
      for (const [at, said] of (await Promise.all(others)).entries())
        equalSaid(said, { exitCode: 3, stdout: `${String(at)}\n` });
      for (const mark of marks) await noneLeft(mark);
    },
  },
  {
    name: 'a command that waits for its reader is gone when it is ended',
    run: async lab => {
      const stop = new AbortController();
      const onOutput = (): Promise<void> => {
        stop.abort();
        return new Promise(() => undefined);
      };
      const failure = await failureOf(lab.run(`yes ${lab.mark}`, {}, { onOutput, signal: stop.signal }));
      assert.deepEqual([failure.kind, failure.killed], ['cancelled', true]);
      assert.deepEqual(processesWith(lab.mark), []);
    },
  },
  {
    name: 'a command that reads endless stdin is gone when it is ended',
    run: async lab => {
      const failure = await lab.cancelled(`echo x; sleep ${lab.mark}; /bin/cat`, { stdin: new Uint8Array(5_000_000) });
      assert.equal(failure.killed, true);
      assert.deepEqual(processesWith(lab.mark), []);
    },
  },
  {
    name: 'a call that is cancelled before its turn does not run',
    run: async lab => {
      const stop = new AbortController();
      const first = lab.drone.queueCall('run', `${lab.waitFor('go')}; echo first`);
      lab.drone.with({ signal: stop.signal }).queueCall('run', `: >${lab.path('ran')}`);
      const round = lab.queue.settle([lab.drone]);
      stop.abort();
      await lab.touch('go');
      const { failures } = await round;
      const failure = failures.get(lab.drone);
      assert.equal(failure?.kind, 'cancelled');
      assert.equal(first.valueIn({ results: new Map(), failures }).stdout, 'first\n');
      equalSaid(await lab.said(`[ ! -e ${lab.path('ran')} ]`), {});
    },
  },
  {
    name: 'the end of the queue ends what runs, with its children, and reports it',
    isQuick: true,
    run: async lab => {
      const names = [1, 2, 3].slice(0, lab.host.options.sessions);
      const runs = names.map(at => {
        const command = `trap "" TERM; sh -c '${loop(lab.mark)}' & : >${lab.path(String(at))}; ${loop(lab.mark)}`;
        return failureOf(lab.run(command));
      });
      for (const at of names) await lab.untilThere(String(at));
      await lab.close();
      for (const failure of await Promise.all(runs))
        assert.deepEqual([failure.kind, failure.killed], ['cancelled', true]);
      assert.deepEqual(processesWith(lab.mark), []);
    },
  },
];
