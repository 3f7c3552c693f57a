/** Full jitter over a doubling bound: contenders that have met once should not meet again. */
const FIRST_MS = 10;
const LONGEST_MS = 500;

/** How long to wait after the attempt of this number (from 1), ms. */
export function retryDelayMs(attempt: number): number {
  return Math.random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** (attempt - 1));
}
