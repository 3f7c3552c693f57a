/** How long a PostgreSQL server may be silent. */
export const PATIENCE = {
  /** Until a connection is logged in. */
  connectMs: 10_000,
  /** For cheap statements such as BEGIN and ROLLBACK. */
  answerMs: 10_000,
  /** Between two looks at whether the server still works on a statement. */
  lookEveryMs: 15_000,
  /** For such a look to connect, and again for its answer. */
  lookMs: 10_000,
  /** Until TCP probes an idle connection; its end is noticed 10 s later. */
  keepAliveMs: 10_000,
  /** For the server's end of a closed connection. */
  goodbyeMs: 1_000,
};

export type Patience = Readonly<typeof PATIENCE>;
