/** For how long Redis keeps what its owner does not take, s: an asker that was cut off, or has died. */
export const KEEP_S = 3600;
