/** Programs that run where no file can be written: on disks that are full or read-only, or as if they were. */
import { spawnSync } from 'node:child_process';

export interface FullDisk {
  /** For the table. */
  readonly injected: string;
  /** A program with arguments that becomes, without room for a byte, the one named by further arguments. */
  readonly launcher: readonly string[];
}

/** Arguments: the directory that becomes full, the one that becomes read-only, the program. */
const MOUNT = [
  'mount -t tmpfs -o size=4k,mode=777 tmpfs "$1" && head -c 4096 /dev/zero > "$1/full" || exit 1',
  // Sockets in it stay of use.
  'mount --bind "$2" "$2" && mount -o remount,bind,ro,noexec "$2" || exit 1',
  'shift 2; exec "$@"',
].join('; ');

/** Where mounting is not allowed, a limit does instead. */
export function fullDisk(home: string, temporary: string): FullDisk {
  const mounted = ['unshare', '--mount', 'sh', '-c', MOUNT, 'sh', home, temporary];
  const [program = '', ...args] = mounted;
  if (spawnSync(program, [...args, 'true']).status === 0) {
    return { injected: 'a full tmpfs as home, and a read-only, `noexec` temporary directory', launcher: mounted };
  }
  return { injected: '`RLIMIT_FSIZE` 0: no file takes a byte', launcher: ['sh', '-c', 'ulimit -f 0; exec "$@"', 'sh'] };
}
