/**
 * A program: looks names up as the system does. A look-up that no name server answers keeps a thread of its process for as
 * long as the system's resolver tries, and only the end of the process frees that thread; so look-ups have a process of
 * their own.
 */
import { lookup, type LookupAllOptions } from 'node:dns';

export interface NameQuestion {
  readonly id: number;
  readonly host: string;
  readonly options: LookupAllOptions;
}

export interface NameAnswer {
  readonly id: number;
  /** Message and code of the system's error, which itself would lose its code on the way. */
  readonly error?: { readonly message: string; readonly code: string | undefined } | undefined;
  readonly addresses: readonly string[];
}

process.on('message', ({ id, host, options }: NameQuestion) => {
  lookup(host, options, (error, found) => {
    const addresses = error ? [] : found.map(({ address }) => address);
    const answer: NameAnswer = {
      id,
      error: error ? { message: error.message, code: error.code } : undefined,
      addresses,
    };
    if (process.connected) process.send?.(answer);
  });
});

// Not by exit, which waits for the threads.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
