/** The exit of an agent's process, as every transport reports it. */

export function agentExit(exitCode: number | null, signal: string | null): Error {
  const how = signal === null ? `status ${String(exitCode)}` : `signal ${signal}`;
  return Object.assign(new Error(`the agent ended with ${how}`), { exitCode, signal });
}

/** Whether an agent did not start because there is no Node. `stderr` is what its start printed there. */
export function isNodeMissing(cause: Error | undefined, stderr: string): boolean {
  const exitCode = (cause as { exitCode?: unknown } | undefined)?.exitCode;
  // csh exits with 1 and says so in its last line; what stands before comes from the login scripts.
  return exitCode === 127 || /not found|No such file/.test(stderr.trim().split('\n').at(-1) ?? '');
}
