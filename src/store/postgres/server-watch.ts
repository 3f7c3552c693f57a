/** Whether a silent server is at work or gone. A time limit cannot tell, as statements may take hours. */
import type { Client } from 'pg';
import { isOfServer } from './failure.js';

/** Too many open files in this process say nothing about the server. */
const OUR_OWN = new Set(['EMFILE', 'ENFILE']);

/** How many failed looks it takes: during the first one, the answer may be on its way. */
const LOOKS_IN_VAIN = 2;

/**
 * Calls `look`, which never rejects, every so often, and `onGone` after two failed looks. Returns a function that ends
 * that.
 */
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
 * Asks the server over a new connection whether its process of this id is at work. Behind a pooler the id is unknown; then
 * any answer is enough, even a refusal.
 */
export async function isAtWork(makeClient: () => Client, processId: number): Promise<boolean> {
  let client: Client;
  try {
    client = makeClient();
  } catch {
    // A file in the URL cannot be read for now, which says nothing about the server.
    return true;
  }
  let failure: unknown;
  // It also rejects what is awaited.
  client.on('error', error => (failure ??= error));
  try {
    await client.connect();
    const text = 'SELECT state FROM pg_stat_activity WHERE pid = $1';
    const { rows } = await client.query<{ state: string | null }>(text, [processId]);
    return failure === undefined && rows[0]?.state?.startsWith('idle') !== true;
  } catch (error) {
    return isOfServer(error) || OUR_OWN.has(String((error as NodeJS.ErrnoException).code));
  } finally {
    // Without waiting for the server, which may be gone.
    client.connection.stream.destroy();
  }
}
