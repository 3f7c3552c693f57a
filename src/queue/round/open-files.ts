/** The limit of open files, which bounds the number of connections. */
import { readFileSync } from 'node:fs';
import { type AnyDrone, endpointOf, hasWork } from '../drone/drone.js';
import { DroneTaskQueueException } from '../drone/drone-error.js';

/** Open files besides connections, and room for the program's own. */
const BESIDES = 64;

let limit: number | undefined;

/** Running out during a round would fail drones at random, and anything else that opens files in the process. */
export function refuseTooManyFiles(drones: readonly AnyDrone[]): void {
  const connections = new Map<string, number>();
  for (const drone of drones) {
    const { openFiles } = endpointOf(drone).spec;
    if (openFiles && hasWork(drone)) connections.set(openFiles.of, openFiles.count);
  }
  const needed = [...connections.values()].reduce((sum, count) => sum + count, BESIDES);
  const limit = openFileLimit();
  if (needed <= limit) return;
  throw new DroneTaskQueueException(
    'ERR_OPEN_FILES',
    `The round needs ${String(needed)} open files for its ${String(connections.size)} connections, and this process may have ${String(limit)} (ulimit -n)`,
  );
}

/** The soft limit, which Node raises to the hard one at its start; Infinity for none. */
function openFileLimit(): number {
  return (limit ??= fromProc() ?? fromReport() ?? Infinity);
}

function fromProc(): number | undefined {
  try {
    return toLimit(/^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  } catch {
    // Not Linux, or no file left to open. The report needs none, but takes 20 ms.
    return undefined;
  }
}

function fromReport(): number | undefined {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  return toLimit(userLimits?.open_files?.soft);
}

function toLimit(text: unknown): number | undefined {
  if (text === 'unlimited') return Infinity;
  const count = Number(text);
  return text !== undefined && Number.isInteger(count) && count > 0 ? count : undefined;
}
