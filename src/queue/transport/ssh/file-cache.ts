/** Values made of files, kept in this thread until a file changes. */
import { readFile, stat } from 'node:fs/promises';

/** Makes a value of a file's contents. `before` is the value of its earlier contents, which it may change. */
export type Make<T> = (contents: Buffer, path: string, before: T | undefined) => T | Promise<T>;

export class FileCache<T> {
  readonly #make: Make<T>;
  readonly #kept = new Map<string, { readonly stamp: string; readonly value: Promise<T> }>();

  constructor(make: Make<T>) {
    this.#make = make;
  }

  /** Reads the file if it has changed. Rejects with the system's error, or what `make` throws. */
  async get(path: string): Promise<T> {
    const { mtimeMs, size, ino } = await stat(path);
    const stamp = `${String(mtimeMs)} ${String(size)} ${String(ino)}`;
    const before = this.#kept.get(path);
    if (before?.stamp === stamp) return before.value;
    const value = this.#read(path, before?.value);
    this.#kept.set(path, { stamp, value });
    // Errors are not kept: their cause may go without a change of the stamp.
    value.catch(() => this.#kept.delete(path));
    return value;
  }

  async #read(path: string, before: Promise<T> | undefined): Promise<T> {
    // The caller who asked for it got its failure.
    const [contents, made] = await Promise.all([readFile(path), before?.catch(() => undefined)]);
    return this.#make(contents, path, made);
  }
}
