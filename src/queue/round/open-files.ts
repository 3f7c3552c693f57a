/** How many files this process may have open; each connection is one. */
import { readFileSync } from 'node:fs';

/** What a process has open besides connections, and room for what its program opens. */
const BESIDES = 64;

let limit: number | undefined;

/** The soft limit, which Node raises to the hard one when it starts; Infinity where there is none. */
export function openFileLimit(): number {
  return (limit ??= fromProc() ?? fromReport() ?? Infinity);
}

/** What the limit must be for so many connections' files at once. */
export function openFilesNeeded(files: number): number {
  return files + BESIDES;
}

function fromProc(): number | undefined {
  try {
    return toLimit(/^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  } catch {
    // Not Linux, or no file left to read it with. The report needs none, but takes 20 ms.
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
