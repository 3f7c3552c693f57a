/** A transport whose thread hangs in a system call: it opens a named pipe without a writer. */
import { closeSync, openSync } from 'node:fs';

/** @type {{ open(spec: { readonly fifo: string }): Promise<never> }} */
export const transport = {
  open({ fifo }) {
    closeSync(openSync(fifo, 'r'));
    return Promise.reject(new Error('the pipe has a writer'));
  },
};
