/**
 * Parses pidfiles. `executeCommand` writes a line with the pid and, when the command ends, a line with its exit status.
 * Other programs may add a third line with the number of failed tests. A last line without a newline is still being
 * written.
 */

/** The contents of a pidfile at one moment. */
export type PidfileContents =
  | { readonly kind: 'missing' }
  /** Reading failed with this code, such as `EIO` or `EACCES`: its contents are unknown. */
  | { readonly kind: 'unreadable'; readonly code: string }
  | { readonly kind: 'empty' }
  /** Holds a pid only. */
  | { readonly kind: 'running'; readonly pid: number }
  /** Caught in mid-write: the process is ending. Has `exitStatus` if its line was complete. */
  | { readonly kind: 'writing'; readonly pid: number; readonly exitStatus?: number }
  | { readonly kind: 'finished'; readonly pid: number; readonly exitStatus: number; readonly failedTests?: number }
  | { readonly kind: 'corrupt'; readonly problem: string };

const MAX_LINES = 3;

/** The drone reads at most one byte more, which shows that a file is too large. */
const MAX_BYTES = 4096;

export function parsePidfile(text: string | undefined): PidfileContents {
  if (text === undefined) return { kind: 'missing' };
  if (text === '') return { kind: 'empty' };
  if (Buffer.byteLength(text) > MAX_BYTES) return corrupt(`it has more than ${String(MAX_BYTES)} bytes`);
  const isWhole = text.endsWith('\n');
  const lines = (isWhole ? text.slice(0, -1) : text).split('\n');
  if (lines.length > MAX_LINES)
    return corrupt(`it has ${String(lines.length)} lines, but at most ${String(MAX_LINES)} are allowed`);
  // A number that is cut short is a number too, so a line counts once it has its end. Some writers omit that of the pid.
  const [pidText = '', statusText, failedText] = isWhole || lines.length === 1 ? lines : lines.slice(0, -1);

  const pid = numberIn(pidText);
  if (pid === undefined || pid < 2) return corrupt('its first line is not a pid');
  if (statusText === undefined) return lines.length === 1 ? { kind: 'running', pid } : { kind: 'writing', pid };
  const exitStatus = numberIn(statusText);
  if (exitStatus === undefined) return corrupt('its second line is not an exit status');
  if (!isWhole) return { kind: 'writing', pid, exitStatus };
  if (failedText === undefined) return { kind: 'finished', pid, exitStatus };
  const failedTests = numberIn(failedText);
  if (failedTests === undefined || failedTests < 0) return corrupt('its third line is not a number of failed tests');
  return { kind: 'finished', pid, exitStatus, failedTests };
}

/** 15 digits are exact, and more than any pid has. */
function numberIn(line: string): number | undefined {
  return /^-?\d{1,15}$/.test(line) ? Number(line) : undefined;
}

function corrupt(problem: string): PidfileContents {
  return { kind: 'corrupt', problem };
}
