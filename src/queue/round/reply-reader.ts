/** Checks what an agent reports: a drone is not trusted. */
import { inspect } from 'node:util';
import { ProtocolError } from '../wire/frames.js';
import type { FailedReport } from '../wire/messages.js';
import type { RunResult } from '../wire/methods.js';

const KINDS: readonly unknown[] = ['call', 'not-cloneable', 'cancelled', 'lost'] satisfies FailedReport['kind'][];

/** Throws a ProtocolError for a report that no agent of this package sends. */
export function checkFailedReport(report: unknown): FailedReport {
  const { kind, killed, output, result } = (report ?? {}) as { [K in keyof FailedReport]?: unknown };
  if (!KINDS.includes(kind)) throw new ProtocolError(`a call failed with unknown kind ${inspect(kind)}`);
  if (killed !== undefined && typeof killed !== 'boolean') {
    throw new ProtocolError(`a call failed with killed ${inspect(killed)}, which is not a boolean`);
  }
  if (output !== undefined && !isOutput(output)) {
    throw new ProtocolError('a call failed with an output that is not { stdout, stderr }, two strings');
  }
  if (result !== undefined && !isRunResult(result)) {
    throw new ProtocolError('a call failed with a result that is not that of a command');
  }
  return report as FailedReport;
}

function isOutput(value: unknown): boolean {
  const { stdout, stderr } = (value ?? {}) as { stdout?: unknown; stderr?: unknown };
  return typeof stdout === 'string' && typeof stderr === 'string';
}

function isRunResult(value: unknown): boolean {
  const { exitCode, signal, durationMs, truncated, totalBytes } = (value ?? {}) as { [K in keyof RunResult]?: unknown };
  const { stdout, stderr } = (totalBytes ?? {}) as { stdout?: unknown; stderr?: unknown };
  const isExit = (exitCode === null || typeof exitCode === 'number') && (signal === null || typeof signal === 'string');
  const numbers = [durationMs, stdout, stderr].every(each => typeof each === 'number');
  return isOutput(value) && isExit && numbers && typeof truncated === 'boolean';
}

/** Pids that an answer to killProcesses reports as alive. A fake may answer anything. */
export function survivingPids(answer: unknown): string[] {
  if (!Array.isArray(answer)) return [];
  const list = answer.filter(each => typeof each === 'object' && each !== null) as {
    pid?: unknown;
    killed?: unknown;
  }[];
  return list.filter(({ killed }) => killed === false).map(({ pid }) => String(pid));
}
