/** What an agent says of a call that did not return, before it is believed. */
import { inspect } from 'node:util';
import { ProtocolError } from '../frames.js';
import type { FailedReport } from '../wire.js';

const FAILED_KINDS: readonly unknown[] = [
  'call',
  'not-cloneable',
  'cancelled',
  'lost',
] satisfies FailedReport['kind'][];

/** Throws ProtocolError for what no agent of ours would say. */
export function checkFailedReport(report: unknown): FailedReport {
  const { kind, killed, output } = (report ?? {}) as { [K in keyof FailedReport]?: unknown };
  if (!FAILED_KINDS.includes(kind)) throw new ProtocolError(`a call failed with unknown kind ${inspect(kind)}`);
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
