/** Bodies made smaller, for both ends of the wire. */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

const gzipBytes = promisify(gzip);
const gunzipBytes = promisify(gunzip);

/** Less fits into a few packets of the network anyway. */
const GZIP_FROM_BYTES = 8 * 1024;
/** Records are much alike: a sixteenth of their size is left at this level already, in half the default's time. */
const LEVEL = 3;

/** A body that inflates to more than it may. */
export class InflatedTooLarge extends Error {}

/** Smaller, if that is worth it; else undefined. */
export async function gzipped(body: Buffer): Promise<Buffer | undefined> {
  return body.length < GZIP_FROM_BYTES ? undefined : gzipBytes(body, { level: LEVEL });
}

/** Throws InflatedTooLarge as soon as there are more than `maxBytes`, and zlib's error for what is broken or cut off. */
export async function inflated(body: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await gunzipBytes(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw error;
    throw new InflatedTooLarge(`inflates to more than ${String(maxBytes)} bytes`, { cause: error });
  }
}
