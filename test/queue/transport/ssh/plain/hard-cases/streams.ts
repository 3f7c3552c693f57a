/** What commands print: any byte, much of it, and on two streams at a time. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { equalSaid, gives, type HardCase, type Lab, type Otherwise, type Said } from './lab.js';

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const BACKWARDS = ALL_BYTES.toReversed();

/** For printf of sh. */
function octal(bytes: Uint8Array): string {
  return [...bytes].map(byte => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}

const LINES = 1_400_000;
/** As `seq` prints them, 10 MB. */
const numbers = (): string => Array.from({ length: LINES }, (_, at) => `${String(at + 1)}\n`).join('');
const BETWEEN = {
  command: 'echo a; head -c 3000000 /dev/zero >&2; echo b',
  expected: { exitCode: 0, stdout: 'a\nb\n', stderr: new Uint8Array(3_000_000) },
};
/** A slow reader runs another call for each of so many chunks. */
const CHUNKS_PER_CALL = 40;

const LOST_STDERR: Omit<Otherwise, 'run'> = {
  where: ({ agent }) => agent === undefined,
  because: 'what is yet to be read of stderr is dropped when an exec channel closes',
};

/** Whole, but for the end of stderr. */
function equalButStderr(
  said: Said,
  expected: { readonly exitCode: number; readonly stdout: string; readonly stderr: Uint8Array },
): void {
  equalSaid(said, { ...expected, stderr: expected.stderr.subarray(0, said.stderr.byteLength) });
}

export const STREAMS: readonly HardCase[] = [
  gives(
    'every byte arrives on both streams',
    `printf '${octal(ALL_BYTES)}'; printf '${octal(BACKWARDS)}' >&2`,
    { stdout: ALL_BYTES, stderr: BACKWARDS },
    { isQuick: true },
  ),
  gives('nothing but NULs arrives on both streams', 'head -c 100000 /dev/zero; head -c 70001 /dev/zero >&2', {
    stdout: new Uint8Array(100_000),
    stderr: new Uint8Array(70_001),
  }),
  gives('one NUL arrives on each stream', "printf '\\000'; printf '\\000' >&2", { stdout: '\0', stderr: '\0' }),
  gives(
    'output without a newline at its end gets none',
    'printf out; printf err >&2; exit 3',
    { exitCode: 3, stdout: 'out', stderr: 'err' },
    { isQuick: true },
  ),
  gives('a command that prints nothing gives nothing', ':', {}),
  gives('empty lines and carriage returns arrive', "printf '\\n\\r\\n\\n'; printf '\\n' >&2", {
    stdout: '\n\r\n\n',
    stderr: '\n',
  }),
  {
    name: '3 MB on stderr between lines on stdout arrive',
    run: async lab => equalSaid(await lab.said(BETWEEN.command), BETWEEN.expected),
    otherwise: [
      { ...LOST_STDERR, run: async lab => equalButStderr(await lab.said(BETWEEN.command), BETWEEN.expected) },
    ],
  },
  {
    name: '10 MB on both streams arrive in order at a reader that runs other calls meanwhile',
    where: ({ sessions = 10 }) => sessions > 1,
    run: async lab => {
      const stdout = numbers();
      equalSaid(await saidSlowly(lab), { exitCode: 5, stdout, stderr: stdout });
    },
    otherwise: [
      {
        ...LOST_STDERR,
        run: async lab => {
          const stdout = numbers();
          equalButStderr(await saidSlowly(lab), { exitCode: 5, stdout, stderr: Buffer.from(stdout) });
        },
      },
    ],
  },
  {
    name: 'a reader that stands still holds the command back, and then gets all of 10 MB',
    where: ({ sessions = 10 }) => sessions > 1,
    run: async lab => {
      let proceed: () => void = () => undefined;
      const held = new Promise<void>(resolve => {
        proceed = resolve;
      });
      let arrived: () => void = () => undefined;
      const first = new Promise<void>(resolve => {
        arrived = resolve;
      });
      let bytes = 0;
      const onOutput = (_stream: string, chunk: Uint8Array): Promise<void> | undefined => {
        bytes += chunk.byteLength;
        if (bytes > chunk.byteLength) return undefined;
        arrived();
        return held;
      };
      const command = `head -c 10000000 /dev/zero; : >${lab.path('written')}; exit 4`;
      const running = lab.run(command, {}, { onOutput });
      await first;
      await echoes(lab, 20);
      assert(!existsSync(lab.path('written')), 'it wrote on');
      proceed();
      const { exitCode, totalBytes } = await running;
      assert.deepEqual([exitCode, totalBytes.stdout, bytes], [4, 10_000_000, 10_000_000]);
    },
  },
];

/** Prints numbers on both streams at a time. */
async function saidSlowly(lab: Lab): Promise<Said> {
  const seq = `seq 1 ${String(LINES)}`;
  const chunks: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] };
  let count = 0;
  const onOutput = async (stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> => {
    chunks[stream].push(chunk);
    if (count++ % CHUNKS_PER_CALL === 0) await echoes(lab, 1);
  };
  const { exitCode, signal } = await lab.run(`${seq} & ${seq} >&2; wait; exit 5`, {}, { onOutput });
  return { exitCode, signal, stdout: Buffer.concat(chunks.stdout), stderr: Buffer.concat(chunks.stderr) };
}

/** Takes longer than it takes a command to write 10 MB into a pipe that is read. */
async function echoes(lab: Lab, times: number): Promise<void> {
  for (let at = 0; at < times; at++) equalSaid(await lab.said(`echo ${String(at)}`), { stdout: `${String(at)}\n` });
}
