/**
 * What a pidfile says. As `executeCommand` writes it: a line with the pid, then, at the command's end, a line with its exit
 * status. Other programs may add a third, with the number of tests that failed. A last line without its line end is still
 * being written.
 */

/** What a pidfile said at one moment. */
export type PidfileContents =
  | { readonly kind: 'missing' }
  /** Nothing is known of what is there: reading it failed with this code, such as `EIO` or `EACCES`. */
  | { readonly kind: 'unreadable'; readonly code: string }
  | { readonly kind: 'empty' }
  /** A pid and nothing more: it says that the process runs. */
  | { readonly kind: 'running'; readonly pid: number }
  /** Caught in mid-write: the process is ending. `exitStatus` is there if its line was whole. */
  | { readonly kind: 'writing'; readonly pid: number; readonly exitStatus?: number }
  | { readonly kind: 'finished'; readonly pid: number; readonly exitStatus: number; readonly failedTests?: number }
  | { readonly kind: 'corrupt'; readonly problem: string };

const MAX_LINES = 3;

/** The drone reads no more of it, and one byte to tell by. */
const MAX_BYTES = 4096;

export function parsePidfile(text: string | undefined): PidfileContents {
  if (text === undefined) return { kind: 'missing' };
  if (text === '') return { kind: 'empty' };
  if (Buffer.byteLength(text) > MAX_BYTES) return corrupt(`it has more than ${String(MAX_BYTES)} bytes`);
  const isWhole = text.endsWith('\n');
  const lines = (isWhole ? text.slice(0, -1) : text).split('\n');
  if (lines.length > MAX_LINES)
    return corrupt(`it has ${String(lines.length)} lines, at most ${String(MAX_LINES)} are known`);
  // As text: a number cut short is a number too. The pid's line counts without its end, as some write it so.
  const [pidText = '', statusText, failedText] = isWhole || lines.length === 1 ? lines : lines.slice(0, -1);

  const pid = numberIn(pidText);
  if (pid === undefined || pid < 2) return corrupt('its first line is no pid');
  if (statusText === undefined) return lines.length === 1 ? { kind: 'running', pid } : { kind: 'writing', pid };
  const exitStatus = numberIn(statusText);
  if (exitStatus === undefined) return corrupt('its second line is no exit status');
  if (!isWhole) return { kind: 'writing', pid, exitStatus };
  if (failedText === undefined) return { kind: 'finished', pid, exitStatus };
  const failedTests = numberIn(failedText);
  if (failedTests === undefined || failedTests < 0) return corrupt('its third line is no number of failed tests');
  return { kind: 'finished', pid, exitStatus, failedTests };
}

/** Up to 15 digits are exact, and more than any pid has. */
function numberIn(line: string): number | undefined {
  return /^-?\d{1,15}$/.test(line) ? Number(line) : undefined;
}

function corrupt(problem: string): PidfileContents {
  return { kind: 'corrupt', problem };
}
