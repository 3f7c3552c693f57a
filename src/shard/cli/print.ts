/** Results of commands on stdout. */
import { oneLine } from '../../report/untrusted-text.js';

/** Resolves when the text was written; rejects with an Error of `failure`. */
export function print(text: string, failure: string): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    process.stdout.write(text, error => {
      if (error) reject(new Error(failure, { cause: error }));
      else resolve();
    });
  });
}

export type Cell = string | number | null | undefined;

/** Lines of aligned columns under their names. Cells may hold a shard's text, so they are cut to one line. */
export function table(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [columns, ...rows.map(row => row.map(cell => ((cell ?? '') === '' ? '-' : oneLine(String(cell)))))];
  const widths = columns.map((_, column) => lines.reduce((most, line) => Math.max(most, line[column]?.length ?? 0), 0));
  const text = lines.map(line =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${text.join('\n')}\n`;
}
