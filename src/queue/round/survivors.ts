/** What an answer to a kill tells. */

/** Pids that an answer to killProcesses tells are alive. A fake may answer anything, and mostly nothing. */
export function survivors(answer: unknown): string[] {
  if (!Array.isArray(answer)) return [];
  const list = answer.filter(each => typeof each === 'object' && each !== null) as {
    pid?: unknown;
    killed?: unknown;
  }[];
  return list.filter(({ killed }) => killed === false).map(({ pid }) => String(pid));
}
