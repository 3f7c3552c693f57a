/**
 * What Redis answers when this server cannot run a command now, and has not run it. From a script, it stands within the
 * text.
 */
const FOR_NOW = /\b(READONLY|LOADING|MASTERDOWN|BUSY|CLUSTERDOWN|TRYAGAIN)\b/;
/** In cluster mode: another server has the key, or gets it. After a failover, that server may be behind the same address. */
const ELSEWHERE = /\b(?<word>MOVED|ASK) \d+ (?<server>\S+)/;
/** In cluster mode: keys of one command belong to several servers. */
const SPREAD = /\bCROSSSLOT\b/;

/** Whether Redis itself answered with the error, so that it has not run the command. */
export function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Whether another server, or the same one later, would run the command. */
export function isForNow(error: unknown): boolean {
  return isRefusal(error) && (FOR_NOW.test(error.message) || ELSEWHERE.test(error.message));
}

/** Whether a server in cluster mode says that it does not have all keys of a command, and will not get them. */
export function isOfCluster(error: unknown): error is Error {
  if (!isRefusal(error)) return false;
  return SPREAD.test(error.message) || ELSEWHERE.exec(error.message)?.groups?.['word'] === 'MOVED';
}

/** The advice for such an error: what was found, and what to use instead. */
export function clusterAdvice({ message }: Error): string {
  const { server } = ELSEWHERE.exec(message)?.groups ?? {};
  const [found, instead] =
    server === undefined
      ? ['keeps keys of this source on several servers', 'a prefix in braces such as {jobs}']
      : [`has keys of this source on ${server}`, "that server's address"];
  return `Redis is in cluster mode and ${found}; use a server without cluster mode, or ${instead}: ${message}`;
}

/** Whether the error says that Redis is full. Submitters that fetch their answers make room. */
export function isFull(error: unknown): boolean {
  return isRefusal(error) && /\bOOM\b/.test(error.message);
}

/** For commands that must not fail because Redis is full. */
export function isForNowOrFull(error: unknown): boolean {
  return isForNow(error) || isFull(error);
}
