/** Processes beside the test's own that use a database. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Place } from './databases.js';

/** Of Node 22, for each thread with a database. */
const SQLITE_WARNING = /^\(node:\d+\) ExperimentalWarning: SQLite .*\n(?:\(Use `node .*\n)?/gm;

const PROGRAM = new URL('./programs/store-process.js', import.meta.url);

export interface Program extends AsyncDisposable {
  /** The next line that it prints. Rejects when it ends instead. */
  line(): Promise<string>;
  /** Tells it to go on. */
  go(): void;
  /** Resolves with its exit code, or the signal that it died of, and what it said on stderr. */
  ended(): Promise<string>;
}

/** Starts store-process.js, which says what the ways are, or another one that takes its arguments and those in `more`. */
export function startProgram(way: string, place: Place, program = PROGRAM, more: readonly string[] = []): Program {
  const child = spawn(process.execPath, [fileURLToPath(program), way, JSON.stringify(place), ...more], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = endOf(child).then(end =>
    [end, stderr.replace(SQLITE_WARNING, '')].filter(text => text !== '').join(': '),
  );
  return {
    async line() {
      const next = await lines.next();
      if (next.done === true) throw new Error(`the process ended: ${await ended}`);
      return next.value;
    },
    go: () => child.stdin.end(),
    ended: () => ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function endOf(child: ChildProcess): Promise<string> {
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return String(code ?? signal);
}
