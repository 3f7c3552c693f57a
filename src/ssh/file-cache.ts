/** What was made of files, kept in this thread until a file changes. */
import { readFile, stat } from 'node:fs/promises';

export class FileCache<T> {
  readonly #make: (contents: Buffer, path: string) => T | Promise<T>;
  readonly #kept = new Map<string, { readonly stamp: string; readonly value: Promise<T> }>();

  constructor(make: (contents: Buffer, path: string) => T | Promise<T>) {
    this.#make = make;
  }

  /** Reads the file if it has changed since the last time. Rejects with the system's error, or what `make` throws. */
  async get(path: string): Promise<T> {
    const { mtimeMs, size, ino } = await stat(path);
    const stamp = `${String(mtimeMs)} ${String(size)} ${String(ino)}`;
    const before = this.#kept.get(path);
    if (before?.stamp === stamp) return before.value;
    const value = readFile(path).then(contents => this.#make(contents, path));
    this.#kept.set(path, { stamp, value });
    // Kept only when it is good: what was in the way of reading may go without a change of the stamp.
    value.catch(() => this.#kept.delete(path));
    return value;
  }
}
