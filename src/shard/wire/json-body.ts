/** JSON bodies, as both ends of the wire write and read them. */
import { constants } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

const gzipBytes = promisify(gzip);
const gunzipBytes = promisify(gunzip);

/** What neither end takes more of, unless it is told otherwise: some 100,000 records, twice what a shard uploads at once. */
export const DEFAULT_MAX_BODY_BYTES = 32 * 1024 * 1024;
/** More is no text of Node's. */
export const MAX_BODY_BYTES = constants.MAX_STRING_LENGTH;

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

/** Throws InflatedTooLarge as soon as there are more than `maxBytes`, and TypeError for what is broken or cut off. */
export async function inflated(body: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await gunzipBytes(body, { maxOutputLength: maxBytes });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_BUFFER_TOO_LARGE') throw new TypeError(`is no gzip: ${message}`, { cause: error });
    throw new InflatedTooLarge(`inflates to more than ${String(maxBytes)} bytes`, { cause: error });
  }
}

/** Throws for what is no UTF-8, which a Buffer would change without a word, or no JSON. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    // The message of what was caught quotes the body, which is for nobody's log.
    throw new TypeError(`is no JSON, in ${String(body.length)} bytes`);
  }
}

/** Its name is the same in any case of its letters. */
export function encodingOf(headers: IncomingHttpHeaders): string {
  return headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
}
