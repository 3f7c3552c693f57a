/** What Redis answers when this server cannot do a command now, and has not done it. In a script it stands within the text. */
const FOR_NOW = /\b(READONLY|LOADING|MASTERDOWN|BUSY|CLUSTERDOWN|TRYAGAIN)\b/;
/** In cluster mode: another server has the key, or gets it. Behind one address there may be that one after a failover. */
const ELSEWHERE = /\b(?<word>MOVED|ASK) \d+ (?<server>\S+)/;
/** In cluster mode: keys of one command belong to several servers. */
const SPREAD = /\bCROSSSLOT\b/;

/** Whether Redis itself answered with the error, so that it has not done the command. */
export function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Whether another server, or the same one later, would do the command. */
export function isForNow(error: unknown): boolean {
  return isRefusal(error) && (FOR_NOW.test(error.message) || ELSEWHERE.test(error.message));
}

/** Whether a server in cluster mode says that it does not have all keys of a command, and will not get them. */
export function isOfCluster(error: unknown): error is Error {
  if (!isRefusal(error)) return false;
  return SPREAD.test(error.message) || ELSEWHERE.exec(error.message)?.groups?.['word'] === 'MOVED';
}

/** Of such an error: what was found, and what to use instead. */
export function clusterAdvice({ message }: Error): string {
  const { server } = ELSEWHERE.exec(message)?.groups ?? {};
  const [found, instead] =
    server === undefined
      ? ['keeps keys of this source on several servers', 'a prefix in braces such as {jobs}']
      : [`has keys of this source on ${server}`, "that server's address"];
  return `Redis is in cluster mode and ${found}; use a server without cluster mode, or ${instead}: ${message}`;
}

/** Whether the error says that Redis is full. Askers that take their answers make room. */
export function isFull(error: unknown): boolean {
  return isRefusal(error) && /\bOOM\b/.test(error.message);
}

/** For what must not be given up because Redis is full. */
export function isForNowOrFull(error: unknown): boolean {
  return isForNow(error) || isFull(error);
}
