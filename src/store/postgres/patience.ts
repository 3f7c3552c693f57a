/** How long a PostgreSQL server may be silent. */
export interface Patience {
  /** Until a connection is made and logged in. */
  readonly connectMs: number;
  /** Until an answer to what costs the server no work, as a BEGIN or a ROLLBACK. */
  readonly answerMs: number;
  /** Between two looks at whether the server still works on a statement. */
  readonly lookEveryMs: number;
  /** Until such a look has connected, and again until it has its answer. */
  readonly lookMs: number;
  /** Until an idle connection is probed by TCP; its end is noticed 10 s later. */
  readonly keepAliveMs: number;
  /** Until the server has taken leave of a connection that is closed. */
  readonly goodbyeMs: number;
}

export const PATIENCE: Patience = {
  connectMs: 10_000,
  answerMs: 10_000,
  lookEveryMs: 15_000,
  lookMs: 10_000,
  keepAliveMs: 10_000,
  goodbyeMs: 1_000,
};
