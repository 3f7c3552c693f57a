/**
 * The format of a transfer's data frames.
 *
 * A file is its head, then as many bytes as that announces. A directory is its head, then its entries, then Leave. A
 * part names only itself, in the directory entered last, so no path on the wire can lead elsewhere. Names are bytes, as
 * they are to the system, and need not be UTF-8.
 */
import { decode, encode } from '../wire/codec/codec.js';
import { ProtocolError } from '../wire/frames.js';
import { PERMISSIONS } from './request.js';

const KIND = { file: 1, bytes: 2, folder: 3, leave: 4, link: 5 } as const;

/** Most bytes of a file in one part. Larger parts are hardly faster, and delay other calls of the link. */
export const CHUNK_BYTES = 128 * 1024;
const MAX_NAME_BYTES = 255;
const MAX_TARGET_BYTES = 4096;
const MAX_HEAD_BYTES = 8192;

export const MAX_PART_BYTES = 1 + Math.max(CHUNK_BYTES, MAX_HEAD_BYTES);

export interface FolderHead {
  /** Empty for what the call itself names. */
  readonly name: Uint8Array;
  readonly mode: number;
  readonly mtimeMs: number;
}

/** The size of the directory that the call names, if its sender was asked for it. */
interface TotalBytes {
  readonly totalBytes?: number | undefined;
}

export interface FileHead extends FolderHead {
  readonly size: number;
}

export interface LinkHead {
  readonly name: Uint8Array;
  readonly target: Uint8Array;
}

export type Part =
  | ({ readonly kind: 'file' } & FileHead)
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | ({ readonly kind: 'folder' } & FolderHead & TotalBytes)
  | { readonly kind: 'leave' }
  | ({ readonly kind: 'link' } & LinkHead);

export function encodeHead(kind: 'file', head: FileHead): Uint8Array;
export function encodeHead(kind: 'folder', head: FolderHead & TotalBytes): Uint8Array;
export function encodeHead(kind: 'link', head: LinkHead): Uint8Array;
export function encodeHead(kind: 'file' | 'folder' | 'link', head: FileHead | FolderHead | LinkHead): Uint8Array {
  const value = encode(head);
  const part = new Uint8Array(1 + value.byteLength);
  part[0] = KIND[kind];
  part.set(value, 1);
  return part;
}

export const LEAVE: Uint8Array = Uint8Array.of(KIND.leave);

/** A buffer to read file bytes into, from its second byte on. */
export function newChunk(): Uint8Array {
  const part = new Uint8Array(1 + CHUNK_BYTES);
  part[0] = KIND.bytes;
  return part;
}

/** Throws a ProtocolError for an invalid part. File bytes are a view into `payload`. */
export function decodePart(payload: Uint8Array): Part {
  const rest = payload.subarray(1);
  switch (payload[0]) {
    case KIND.bytes:
      return { kind: 'bytes', bytes: rest };
    case KIND.leave:
      return { kind: 'leave' };
    case KIND.file: {
      const head = headIn(rest);
      return { kind: 'file', ...attributesOf(head), size: check(head['size'], isSize, 'size of a file') };
    }
    case KIND.folder: {
      const head = headIn(rest);
      const { totalBytes } = head;
      if (totalBytes === undefined) return { kind: 'folder', ...attributesOf(head) };
      return { kind: 'folder', ...attributesOf(head), totalBytes: check(totalBytes, isSize, 'size of a directory') };
    }
    case KIND.link: {
      const head = headIn(rest);
      return { kind: 'link', name: nameIn(head), target: check(head['target'], isTarget, 'target of a link') };
    }
    default:
      throw new ProtocolError(`a part of unknown kind ${String(payload[0])}`);
  }
}

type Head = Readonly<Record<string, unknown>>;

function headIn(bytes: Uint8Array): Head {
  let head: unknown;
  try {
    head = decode(bytes);
  } catch (error) {
    throw new ProtocolError('a part whose head cannot be read', { cause: error });
  }
  return check(head, (value): value is Head => typeof value === 'object' && value !== null, 'head of a part');
}

function attributesOf(head: Head): FolderHead {
  return {
    name: nameIn(head),
    mode: check(head['mode'], isSize, 'mode') & PERMISSIONS,
    mtimeMs: check(head['mtimeMs'], (value): value is number => Number.isFinite(value), 'mtime'),
  };
}

function nameIn(head: Head): Uint8Array {
  return check(head['name'], isName, 'name');
}

function check<T>(value: unknown, fits: (value: unknown) => value is T, what: string): T {
  if (fits(value)) return value;
  const shown = value instanceof Uint8Array ? `'${Buffer.from(value).toString().slice(0, 300)}'` : typeof value;
  throw new ProtocolError(`a part with an impossible ${what}: ${shown}`);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A name that can only lead to an entry of its directory. */
function isName(value: unknown): value is Uint8Array {
  if (!(value instanceof Uint8Array) || value.byteLength > MAX_NAME_BYTES) return false;
  const isDots = (value.byteLength === 1 || value.byteLength === 2) && value.every(byte => byte === DOT);
  return !isDots && !value.includes(SLASH) && !value.includes(0);
}

function isTarget(value: unknown): value is Uint8Array {
  if (!(value instanceof Uint8Array)) return false;
  return value.byteLength > 0 && value.byteLength <= MAX_TARGET_BYTES && !value.includes(0);
}

const DOT = 0x2e;
const SLASH = 0x2f;
