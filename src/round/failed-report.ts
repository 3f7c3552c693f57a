/** What an agent's Failed frame may hold; it comes from a drone, and is not believed before it was looked at. */
import { inspect } from 'node:util';
import { ProtocolError } from '../frames.js';
import type { FailedReport } from '../wire.js';

const KINDS: readonly unknown[] = ['call', 'not-cloneable', 'cancelled', 'lost'] satisfies FailedReport['kind'][];

/** Throws a ProtocolError for what no agent of ours says. */
export function checkFailedReport(report: unknown): FailedReport {
  const { kind } = (report ?? {}) as Partial<FailedReport>;
  if (!KINDS.includes(kind)) throw new ProtocolError(`a call failed with unknown kind ${inspect(kind)}`);
  return report as FailedReport;
}
