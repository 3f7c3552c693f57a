/** Kills an agent of this machine that no longer answers, by the script that does it on other machines. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { endScript } from '../../../process/end-script.js';

/** Of the kill grace, what is waited for. The script goes on to its end. */
const LONGEST_GRACE_MS = 10_000;
/** For its start, and what KILL takes. */
const MARGIN_MS = 4000;

/** See Channel.kill. */
export async function killAgent(pid: number, marker: string, graceMs: number): Promise<boolean> {
  const text = endScript([{ kind: 'agent', pid, marker }], graceMs);
  // Detached, so that a Ctrl-C in the scheduler's terminal does not reach it.
  const script = spawn('/bin/sh', ['-c', text], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  const late = new AbortController();
  const timer = setTimeout(
    () => {
      late.abort(new Error('this machine did not say in time what became of it'));
    },
    Math.min(graceMs, LONGEST_GRACE_MS) + MARGIN_MS,
  );
  let said = '';
  try {
    const closed = once(script, 'close', { signal: late.signal });
    // Without a process there may be no pipe, whatever its type says; the error follows.
    if (script.pid !== undefined) {
      script.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString('latin1');
      });
    }
    await closed;
  } catch (error) {
    throw late.signal.aborted ? (late.signal.reason as Error) : error;
  } finally {
    clearTimeout(timer);
    if (script.pid !== undefined) script.stdout.destroy();
    script.unref();
  }
  // The first word counts.
  return /^\d+ (\w+)$/m.exec(said)?.[1] === 'gone';
}
