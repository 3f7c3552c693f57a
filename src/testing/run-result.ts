import { checkNames } from '../option/option-table.js';
import type { RunResult } from '../queue/wire/methods.js';

const NAMES = ['exitCode', 'signal', 'stdout', 'stderr', 'durationMs', 'truncated', 'totalBytes'] as const;

/**
 * A complete RunResult for the `run` of a FakeDrone: `runResult({ stdout: 'Linux\n' })`. Defaults: exit code 0, or null
 * with a `signal`; empty, untruncated output. Throws a TypeError (`ERR_INVALID_ARG`) for an unknown field.
 */
export function runResult(
  fields: { readonly [Name in keyof RunResult]?: RunResult[Name] | undefined } = {},
): RunResult {
  checkNames(fields, NAMES);
  const { stdout = '', stderr = '', signal = null, durationMs = 0, truncated = false } = fields;
  const written = { stdout: Buffer.byteLength(stdout), stderr: Buffer.byteLength(stderr) };
  const { exitCode = signal === null ? 0 : null, totalBytes = written } = fields;
  return { exitCode, signal, stdout, stderr, durationMs, truncated, totalBytes };
}
