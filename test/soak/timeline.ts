/**
 * What was done to the drones and what callers were told, line by line in a file: held in memory it would be most of
 * what a long soak's memory is measured by.
 */
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** What a caller was told of a call in one round, and so how often the drone may have run it for that round. */
export interface Telling {
  readonly told: 'value' | 'call' | 'mayHaveRun' | 'notStarted';
  readonly least: number;
  readonly most: number;
  /** Of the drone's failure. */
  readonly failure?: string | undefined;
}

export interface TimelineEntry {
  /** Since the soak's start, ms. */
  readonly atMs: number;
  /** Hostname; absent for what meets all. */
  readonly drone?: string | undefined;
  /** The call that it is about. */
  readonly id?: string | undefined;
  readonly round?: number | undefined;
  readonly what: string;
  readonly telling?: Telling | undefined;
}

export class Timeline implements Disposable {
  readonly path: string;
  readonly #fd: number;
  readonly #startMs = performance.now();

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, 'a');
  }

  note(entry: Omit<TimelineEntry, 'atMs'>): void {
    writeSync(this.#fd, `${JSON.stringify({ atMs: Math.round(performance.now() - this.#startMs), ...entry })}\n`);
  }

  async *read(): AsyncGenerator<TimelineEntry> {
    for await (const line of createInterface({ input: createReadStream(this.path) })) {
      yield JSON.parse(line) as TimelineEntry;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
