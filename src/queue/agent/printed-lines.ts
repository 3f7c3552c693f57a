/** The output of a user's method as whole lines, limited per batch so that it cannot flood the link. */

const LINES_PER_BATCH = 100;
const LINE_CHARS = 2000;
/** Batches whose count is remembered; the oldest are forgotten first. */
const REMEMBERED = 1000;

export class PrintedLines {
  readonly #onLine: (batch: number, line: string) => void;
  readonly #batches = new Map<number, { unfinished: string; lines: number }>();

  constructor(onLine: (batch: number, line: string) => void) {
    this.#onLine = onLine;
  }

  push(batch: number, text: string): void {
    const state = this.#state(batch);
    if (state.lines > LINES_PER_BATCH) return;
    const lines = text.split('\n');
    lines[0] = state.unfinished + (lines[0] ?? '');
    state.unfinished = lines.pop() ?? '';
    for (const line of lines) this.#print(batch, state, line);
    if (state.unfinished.length > LINE_CHARS) this.endLine(batch);
  }

  endLine(batch: number): void {
    const state = this.#batches.get(batch);
    if (state === undefined || state.unfinished === '') return;
    const line = state.unfinished;
    state.unfinished = '';
    this.#print(batch, state, line);
  }

  endAll(): void {
    for (const batch of this.#batches.keys()) this.endLine(batch);
  }

  #print(batch: number, state: { lines: number }, line: string): void {
    state.lines++;
    if (state.lines <= LINES_PER_BATCH) {
      this.#onLine(batch, line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS)}…` : line);
    } else if (state.lines === LINES_PER_BATCH + 1) {
      this.#onLine(batch, 'and more, omitted');
    }
  }

  #state(batch: number): { unfinished: string; lines: number } {
    let state = this.#batches.get(batch);
    if (state === undefined) {
      state = { unfinished: '', lines: 0 };
      this.#batches.set(batch, state);
      for (const oldest of this.#batches.keys()) {
        if (this.#batches.size <= REMEMBERED) break;
        this.#batches.delete(oldest);
      }
    }
    return state;
  }
}
