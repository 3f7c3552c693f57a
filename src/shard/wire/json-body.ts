/** JSON bodies, for both ends of the wire. */
import { constants } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

const gzipBytes = promisify(gzip);
const gunzipBytes = promisify(gunzip);

/** Some 100,000 records, twice what a shard uploads at once. */
export const DEFAULT_MAX_BODY_BYTES = 32 * 1024 * 1024;
/** Node has no longer strings. */
export const MAX_BODY_BYTES = constants.MAX_STRING_LENGTH;

/** A smaller body fits into a few network packets anyway. */
const GZIP_FROM_BYTES = 8 * 1024;
/** Similar records shrink to a sixteenth even at this level, in half the default's time. */
const LEVEL = 3;

/** A body inflates to more than the limit. */
export class InflatedTooLarge extends Error {}

/** Undefined for a body too small to be worth it. */
export async function gzipped(body: Buffer): Promise<Buffer | undefined> {
  return body.length < GZIP_FROM_BYTES ? undefined : gzipBytes(body, { level: LEVEL });
}

/** Throws InflatedTooLarge as soon as the output exceeds `maxBytes`, and a TypeError for broken or truncated input. */
export async function inflated(body: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await gunzipBytes(body, { maxOutputLength: maxBytes });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_BUFFER_TOO_LARGE') throw new TypeError(`is not valid gzip: ${message}`, { cause: error });
    throw new InflatedTooLarge(`inflates to more than ${String(maxBytes)} bytes`, { cause: error });
  }
}

/** Throws a TypeError for invalid JSON, and for invalid UTF-8, which a Buffer would silently change. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    // The caught error's message quotes the body, which must not be logged.
    throw new TypeError(`is not valid JSON, in ${String(body.length)} bytes`);
  }
}

export function encodingOf(headers: IncomingHttpHeaders): string {
  return headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
}
