/** A command that is started, does one round and ends: its wall and CPU time, and the memory of all its processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { descendantsOf, memoryKbOf } from './process-tree.js';

export interface Spent {
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface Command {
  /** Program and arguments. */
  readonly words: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly input?: Uint8Array | undefined;
}

/** bash alone tells the CPU of a child and of all that the child has waited for, to the ms. Told on descriptor 3. */
const TIMED = `TIMEFORMAT='%R %U %S'; { time "$@" 2>&4 3>&- 4>&-; } 4>&2 2>&3`;
const LIMIT_MS = 300_000;
const SAMPLE_EVERY_MS = 10;
const LAST_CHARS = 2000;

/** Rejects when the command fails, with the last that it said. */
export async function spend({ words, env, input }: Command): Promise<Spent> {
  const { report } = await runTimed(words, env, input, () => undefined);
  const [wallS = NaN, userS = NaN, systemS = NaN] = report.trim().split(' ').map(Number);
  return { wallMs: wallS * 1000, cpuMs: (userS + systemS) * 1000 };
}

/** The most that the command's processes had together, KiB. Looking disturbs: not for a run that counts. */
export async function peakMemoryKb({ words, env, input }: Command): Promise<number> {
  let peakKb = 0;
  await runTimed(words, env, input, pid => {
    peakKb = Math.max(peakKb, memoryKbOf(descendantsOf(pid)));
  });
  return peakKb;
}

async function runTimed(
  words: readonly string[],
  env: Command['env'],
  input: Command['input'],
  look: (pid: number) => void,
): Promise<{ report: string }> {
  const child = spawn('bash', ['-c', TIMED, 'bash', ...words], {
    env: { ...process.env, LC_ALL: 'C.UTF-8', ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const pid = child.pid ?? 0;
  child.stdin.on('error', () => undefined); // it does not read; its exit tells how it went
  child.stdin.end(input);
  const sampling = setInterval(() => {
    look(pid);
  }, SAMPLE_EVERY_MS);
  const limit = setTimeout(() => {
    for (const late of [pid, ...descendantsOf(pid)]) process.kill(late, 'SIGKILL');
  }, LIMIT_MS);
  try {
    const [report, stdout, stderr, [status, signal]] = await Promise.all([
      text(child.stdio[3] as NodeJS.ReadableStream),
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit') as Promise<[number | null, string | null]>,
    ]);
    if (status === 0) return { report };
    throw new Error(
      `${words[0] ?? ''} ended with ${String(signal ?? status)}: ${(stdout + stderr).slice(-LAST_CHARS)}`,
    );
  } finally {
    clearInterval(sampling);
    clearTimeout(limit);
  }
}
