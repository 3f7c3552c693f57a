/** The words that the master itself uses for how things are; others are in the words of whoever drives them. */

/** Of a host when it is made. */
export const READY = 'Ready';
/** Of an entry when it is made. */
export const QUEUED = 'Queued';
/** Of an entry that was aborted before anybody was at it. */
export const ABORTED = 'Aborted';
