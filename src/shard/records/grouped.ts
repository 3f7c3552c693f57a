/** Rows by what they belong to. */

export type Owned<Row> = readonly [owner: number, row: Row];

/** In their order. */
export function grouped<Row>(owned: readonly Owned<Row>[]): Map<number, Row[]> {
  const groups = new Map<number, Row[]>();
  for (const [owner, row] of owned) {
    const group = groups.get(owner);
    if (group === undefined) groups.set(owner, [row]);
    else group.push(row);
  }
  return groups;
}
