/** Keeps a process that writes to this process's pipe alive when the pipe's reader or this process ends. */
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

/** `exec`, so that it is one process. A signal to this process's group must not end it. */
const READER = 'trap "" HUP INT QUIT TERM; exec cat >/dev/null';

/**
 * Starts a process that reads the rest of a child's output and discards it, until the last writer ends. This process then
 * needs no stream for it. Without a reader, as when no process can be started, a writer gets SIGPIPE.
 */
export function discardRest(stream: Readable): void {
  try {
    const env = { PATH: process.env['PATH'] };
    const reader = spawn('/bin/sh', ['-c', READER], { cwd: '/', env, stdio: [stream, 'ignore', 'ignore'] });
    reader.on('error', () => undefined); // see above
    reader.unref();
  } catch {
    // see above
  }
}
