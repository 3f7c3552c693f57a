/** How long Redis keeps what its owner does not fetch, s: a submitter that was cut off, or has died. */
export const KEEP_S = 3600;
