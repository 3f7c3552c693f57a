/** Programs in a mount namespace of their own, where some files are others. The system itself does not change. */
import { spawnSync } from 'node:child_process';

/** What is mounted in a namespace. */
export interface Mounts {
  /** Path of a file by the path at which it is seen; a link there is followed. */
  readonly files?: Readonly<Record<string, string>>;
  /** Whether users see only processes of their own. Since Linux 5.8 the option belongs to the mount, not to the system. */
  readonly hidesProcesses?: boolean;
  /** Whether there is a PID namespace, too: the program's child is process 1 in it. */
  readonly ownPids?: boolean;
}

/** A program with arguments that becomes, in such a namespace, the one named by further arguments. Needs root. */
export function mounted({ files = {}, hidesProcesses = false, ownPids = false }: Mounts): string[] {
  const pairs = Object.entries(files);
  const words = pairs.flatMap(([at, from]) => [from, at]);
  const options = [...(ownPids ? ['--pid', '--fork', '--kill-child'] : []), '--mount'];
  const script = [
    ...(hidesProcesses || ownPids
      ? [`mount -t proc ${hidesProcesses ? '-o hidepid=2 ' : ''}proc /proc || exit 1`]
      : []),
    ...pairs.map(() => 'mount --bind "$1" "$2" || exit 1; shift 2'),
    'exec "$@"',
  ].join('; ');
  const launcher = ['unshare', ...options, 'sh', '-c', script, 'sh', ...words];
  const [program = '', ...args] = launcher;
  const { status, stderr } = spawnSync(program, [...args, 'true'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the tests need root, and leave to mount files: ${stderr.trim()}`);
  return launcher;
}
