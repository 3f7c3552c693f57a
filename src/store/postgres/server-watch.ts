/** Whether a server that is silent is at work, or gone: no time limit can tell, as statements may take hours. */
import type { Client } from 'pg';
import { isOfServer } from './failure.js';

/** This process has too many open files: that tells nothing of the server. */
const OUR_OWN = new Set(['EMFILE', 'ENFILE']);

/** An answer may be on its way while somebody looks. */
const LOOKS_IN_VAIN = 2;

/** Calls `look`, which never rejects, every so often, until that is ended by calling what this returns; `onGone` when two in a row were in vain. */
export function watchServer(look: () => Promise<boolean>, everyMs: number, onGone: () => void): () => void {
  let isOver = false;
  let inVain = 0;
  const next = async (): Promise<void> => {
    inVain = (await look()) ? 0 : inVain + 1;
    if (isOver) return;
    if (inVain === LOOKS_IN_VAIN) onGone();
    else timer = setTimeout(() => void next(), everyMs);
  };
  let timer = setTimeout(() => void next(), everyMs);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

/**
 * Asks the server, over a new connection, whether it works for the connection with this process id. Behind a pooler
 * nobody knows the id; that the server answers, be it by a refusal, is then enough.
 */
export async function isAtWork(makeClient: () => Client, processId: number): Promise<boolean> {
  let client: Client;
  try {
    client = makeClient();
  } catch {
    // A file that the URL names cannot be read for now: that tells nothing of the server.
    return true;
  }
  let failure: unknown;
  // Comes as the rejection of what is awaited, too.
  client.on('error', error => {
    failure ??= error;
  });
  try {
    await client.connect();
    const { rows } = await client.query<{ state: string | null }>('SELECT state FROM pg_stat_activity WHERE pid = $1', [
      processId,
    ]);
    return failure === undefined && rows[0]?.state?.startsWith('idle') !== true;
  } catch (error) {
    return isOfServer(error) || OUR_OWN.has(String((error as NodeJS.ErrnoException).code));
  } finally {
    // Without a goodbye, which a server that is gone would not hear.
    client.connection.stream.destroy();
  }
}
