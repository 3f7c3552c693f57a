/** Rows by the value of one of their columns. */

export function mapById<Row extends { readonly id: number }>(rows: readonly Row[]): Map<number, Row> {
  return new Map(rows.map(row => [row.id, row]));
}

/** The rows with these ids, in the order of the ids. */
export function inOrderOf<Row extends { readonly id: number }>(ids: readonly number[], rows: readonly Row[]): Row[] {
  const byId = mapById(rows);
  return ids.map(id => byId.get(id)).filter(row => row !== undefined);
}

/** Each group in the order of `rows`. */
export function groupedBy<Column extends string, Row extends Readonly<Record<Column, number | string>>>(
  rows: readonly Row[],
  column: Column,
): Map<Row[Column], Row[]> {
  const groups = new Map<Row[Column], Row[]>();
  for (const row of rows) {
    const group = groups.get(row[column]);
    if (group === undefined) groups.set(row[column], [row]);
    else group.push(row);
  }
  return groups;
}
