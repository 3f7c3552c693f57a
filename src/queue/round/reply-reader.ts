/** Reads an agent's replies. They come from a drone, and are not believed before they were looked at. */
import { inspect } from 'node:util';
import { ProtocolError } from '../wire/frames.js';
import type { FailedReport } from '../wire/messages.js';

const KINDS: readonly unknown[] = ['call', 'not-cloneable', 'cancelled', 'lost'] satisfies FailedReport['kind'][];

/** Throws a ProtocolError for what no agent of ours says. */
export function checkFailedReport(report: unknown): FailedReport {
  const { kind, killed, output } = (report ?? {}) as { [K in keyof FailedReport]?: unknown };
  if (!KINDS.includes(kind)) throw new ProtocolError(`a call failed with unknown kind ${inspect(kind)}`);
  if (killed !== undefined && typeof killed !== 'boolean') {
    throw new ProtocolError(`a call failed with killed ${inspect(killed)}, which is no boolean`);
  }
  if (output !== undefined && !isOutput(output)) {
    throw new ProtocolError('a call failed with an output that is not { stdout, stderr }, two strings');
  }
  return report as FailedReport;
}

function isOutput(value: unknown): boolean {
  const { stdout, stderr } = (value ?? {}) as { stdout?: unknown; stderr?: unknown };
  return typeof stdout === 'string' && typeof stderr === 'string';
}

/** Pids that an answer to killProcesses reports as alive. A fake may answer anything, and mostly answers nothing. */
export function survivingPids(answer: unknown): string[] {
  if (!Array.isArray(answer)) return [];
  const list = answer.filter(each => typeof each === 'object' && each !== null) as {
    pid?: unknown;
    killed?: unknown;
  }[];
  return list.filter(({ killed }) => killed === false).map(({ pid }) => String(pid));
}
