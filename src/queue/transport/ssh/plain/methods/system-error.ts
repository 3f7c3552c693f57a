/** The system's errors as Node words them, from what a program on the drone printed about them in the C locale. */
import { getSystemErrorMap } from 'node:util';

/** What programs print: glibc's words, then those of musl, and of shells where they have their own. */
const PRINTED: Readonly<Record<string, readonly string[]>> = {
  E2BIG: ['Argument list too long'],
  EACCES: ['Permission denied'],
  EBUSY: ['Device or resource busy', 'Resource busy'],
  EDQUOT: ['Disk quota exceeded', 'Quota exceeded'],
  EEXIST: ['File exists'],
  EFBIG: ['File too large'],
  EINVAL: ['Invalid argument'],
  EIO: ['Input/output error', 'I/O error'],
  EISDIR: ['Is a directory'],
  ELOOP: ['Too many levels of symbolic links', 'Symbolic link loop'],
  EMFILE: ['Too many open files', 'No file descriptors available'],
  EMLINK: ['Too many links'],
  ENAMETOOLONG: ['File name too long', 'Filename too long'],
  ENFILE: ['Too many open files in system'],
  ENODEV: ['No such device'],
  ENOENT: [
    'No such file or directory',
    'Directory nonexistent',
    'nonexistent directory',
    'No such file',
    'no such file',
  ],
  ENOMEM: ['Cannot allocate memory', 'Out of memory'],
  ENOSPC: ['No space left on device'],
  ENOSYS: ['Function not implemented'],
  ENOTDIR: ['Not a directory'],
  ENOTEMPTY: ['Directory not empty'],
  ENOTSUP: ['Operation not supported', 'Not supported'],
  ENXIO: ['No such device or address'],
  EPERM: ['Operation not permitted'],
  EROFS: ['Read-only file system'],
  ESTALE: ['Stale file handle', 'Stale NFS file handle'],
  ETXTBSY: ['Text file busy'],
  EXDEV: ['Invalid cross-device link', 'Cross-device link'],
};

const CODES = new Map(Object.entries(PRINTED).flatMap(([code, texts]) => texts.map(text => [text, code] as const)));

const KNOWN = new Map([...getSystemErrorMap()].map(([errno, [code, words]]) => [code, { errno, words }] as const));

/** The code of the last line that ends with a system error; undefined when none does. */
export function codeIn(printed: string): string | undefined {
  for (const line of printed.trimEnd().split('\n').reverse()) {
    const code = CODES.get(line.slice(line.lastIndexOf(': ') + 2).trim());
    if (code !== undefined) return code;
  }
  return undefined;
}

/** What the system call failed on; `dest` is the second path of a call that takes two. */
export interface Syscall {
  readonly syscall: string;
  readonly path?: string | undefined;
  readonly dest?: string | undefined;
}

/** The error that Node throws when this system call fails with this code. */
export function systemError(code: string, { syscall, path, dest }: Syscall): NodeJS.ErrnoException {
  const { errno, words } = KNOWN.get(code) ?? { errno: undefined, words: PRINTED[code]?.[0]?.toLowerCase() ?? code };
  const to = dest === undefined ? '' : ` -> '${dest}'`;
  const on = path === undefined ? '' : ` '${path}'${to}`;
  const error = new Error(`${code}: ${words}, ${syscall}${on}`);
  return Object.assign(error, {
    errno,
    code,
    syscall,
    ...(path !== undefined && { path }),
    ...(dest !== undefined && { dest }),
  });
}
