/** Whether an agent did not start for want of a Node to run it. */

/** `cause` has the exit code of the start, `stderr` is what it printed there. */
export function isNodeMissing(cause: Error | undefined, stderr: string): boolean {
  const exitCode = (cause as { exitCode?: unknown } | undefined)?.exitCode;
  // csh says so with status 1, and last: what stands before is the login scripts' own trouble.
  return exitCode === 127 || /not found|No such file/.test(stderr.trim().split('\n').at(-1) ?? '');
}
