/** What the processes of the crash test write. */
export interface Rows {
  /** Two of each pair, or none. */
  half: { writer: number; pair: number; which: 'first' | 'second' };
}
