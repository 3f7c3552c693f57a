/** Many commands at once, long ones, and many in a row: each gives its own. */
import assert from 'node:assert/strict';
import { equalSaid, failureOf, gives, type HardCase, type Lab } from './lab.js';

/** In bytes, as a drone takes it in one argument. */
const LONGEST = 131_071;

/** Prints so many bytes on each stream that belong to this command alone. */
async function own(lab: Lab, at: number, bytes: number): Promise<void> {
  const line = (stream: string): string => `${stream} of ${String(at)}\n`;
  const times = Math.ceil(bytes / line('out').length);
  const print = `i=0; while [ $i -lt ${String(times)} ]; do echo "out of $A"; echo "err of $A" >&2; i=$((i+1)); done`;
  const said = await lab.said(`${print}; /bin/cat; exit ${String(at)}`, {
    env: { A: String(at) },
    stdin: `in of ${String(at)}`,
  });
  equalSaid(said, {
    exitCode: at,
    stdout: `${line('out').repeat(times)}in of ${String(at)}`,
    stderr: line('err').repeat(times),
  });
}

/** All of them run before the first one ends, or there are fewer sessions. */
async function together(lab: Lab, count: number): Promise<void> {
  const runs = Array.from({ length: count }, async (_each, at) => {
    const name = `run-${String(at)}`;
    const all = Array.from({ length: count }, (_other, other) => lab.path(`run-${String(other)}`)).join(' ');
    const wait = `for f in ${all}; do until [ -e $f ]; do sleep 0.02; done; done`;
    equalSaid(await lab.said(`: >${lab.path(name)}; ${wait}; echo ${name}; echo ${name} >&2; exit ${String(at)}`), {
      exitCode: at,
      stdout: `${name}\n`,
      stderr: `${name}\n`,
    });
  });
  await Promise.all(runs);
}

export const AT_ONCE: readonly HardCase[] = [
  ...[3, 20].map((count): HardCase => ({
    name: `${String(count)} calls at once each give their own`,
    isQuick: count < 10,
    run: async lab => {
      await Promise.all(Array.from({ length: count }, (_each, at) => own(lab, at, 3000)));
    },
  })),
  {
    name: 'three calls run side by side, where the server allows it',
    where: ({ sessions = 10 }) => sessions > 3,
    run: lab => together(lab, 3),
  },
  {
    name: 'eight calls run side by side, and more wait for their turn',
    where: ({ sessions = 10 }) => sessions > 8,
    run: async lab => {
      await Promise.all([together(lab, 8), ...[1, 2, 3, 4].map(at => own(lab, at, 100))]);
    },
  },
  {
    name: 'fifty calls of a round run one after the other, in their order',
    run: async lab => {
      const calls = Array.from({ length: 50 }, (_each, at) => {
        const command = `echo ${String(at)} >>${lab.path('order')}; echo ${String(at)}; exit ${String(at)}`;
        return lab.drone.queueCall('run', command);
      });
      const results = await lab.queue.execute([lab.drone]);
      const expected = Array.from({ length: 50 }, (_each, at) => [at, `${String(at)}\n`]);
      const given = calls.map(call => call.valueIn(results)).map(({ exitCode, stdout }) => [exitCode, stdout]);
      assert.deepEqual(given, expected);
      equalSaid(await lab.said(`/bin/cat ${lab.path('order')}`), { stdout: expected.map(([, line]) => line).join('') });
    },
  },
  {
    name: 'a command and a file method run side by side on one drone',
    run: async lab => {
      const running = lab.said(`${lab.waitFor('written')}; /bin/cat ${lab.path('written')}; exit 3`);
      await lab.queue.call(lab.drone, 'writeFile', lab.path('written.new'), 'contents');
      await lab.said(`mv ${lab.path('written.new')} ${lab.path('written')}`);
      equalSaid(await running, { exitCode: 3, stdout: 'contents' });
    },
    where: ({ sessions = 10, lacks }) => sessions > 1 && lacks === undefined,
  },
  gives(
    'a command of 100 KB runs',
    `: ${'x'.repeat(100_000)}; echo done; exit 3`,
    { exitCode: 3, stdout: 'done\n' },
    { isQuick: true },
  ),
  gives(
    'a command of 100 KB with quotes and newlines arrives',
    `/bin/cat <<'E'\n${'it\'s \\ $HOME `x` "\n'.repeat(5000)}E\nexit 3`,
    {
      exitCode: 3,
      stdout: 'it\'s \\ $HOME `x` "\n'.repeat(5000),
    },
  ),
  {
    name: 'the longest command runs, and a longer one is refused',
    run: async lab => {
      const text = 'echo done; : ';
      equalSaid(await lab.said(text.padEnd(LONGEST, 'x')), { stdout: 'done\n' });
      const { kind, causeCode } = await failureOf(lab.run(text.padEnd(LONGEST + 1, 'x')));
      assert.deepEqual([kind, causeCode], ['call', 'E2BIG']);
    },
  },
  {
    name: 'many short and long commands in turns each give their own',
    run: async lab => {
      for (let at = 0; at < 30; at++) {
        const padding = at % 3 === 0 ? `: ${'y'.repeat(20_000)}\n` : '';
        const stdin = at % 4 === 0 ? { stdin: 'z'.repeat(at * 10_000) } : {};
        equalSaid(await lab.said(`${padding}wc -c; echo ${String(at)}; exit ${String(at)}`, stdin), {
          exitCode: at,
          stdout: `${String(stdin.stdin?.length ?? 0)}\n${String(at)}\n`,
        });
      }
    },
  },
];
