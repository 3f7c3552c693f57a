/** What Redis answers when this server cannot do a command now, and has not done it. In a script it stands within the text. */
const FOR_NOW = /\b(READONLY|LOADING|MASTERDOWN|BUSY|CLUSTERDOWN|TRYAGAIN)\b/;

/** Whether Redis itself answered with the error, so that it has not done the command. */
export function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Whether another server, or the same one later, would do the command. */
export function isForNow(error: unknown): boolean {
  return isRefusal(error) && FOR_NOW.test(error.message);
}

/** Whether the error says that Redis is full. Askers that take their answers make room. */
export function isFull(error: unknown): boolean {
  return isRefusal(error) && /\bOOM\b/.test(error.message);
}

/** For what must not be given up because Redis is full. */
export function isForNowOrFull(error: unknown): boolean {
  return isForNow(error) || isFull(error);
}
