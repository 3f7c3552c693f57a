/** `copyFileOrDirectory` without an agent. See queue/agent/files.ts. */
import { posix } from 'node:path';
import { copyArguments, copyFailed, copyOverFolder } from '../../../../agent/file-arguments.js';
import { absolute, expandHome, MAKE, makeSteps } from './directories.js';
import { type MethodCall, runSteps, systemStep } from './script.js';

/**
 * Arguments: source as given, source, destination, the destination's directory. The cp of busybox and toybox puts no link
 * where something is, unless it is forced to.
 */
const COPY = [
  MAKE,
  'if [ ! -e "$1" ] && [ ! -L "$1" ]; then ls -ld -- "$1" >/dev/null || fail look; fi',
  'if [ "$2" -ef "$3" ]; then exit 0; fi',
  'if [ -d "$1" ] && [ ! -L "$1" ]; then make "$3"; set -- "$2/." "$3"; else',
  'if [ -d "$3" ]; then fail folder; fi; make "$4" up; set -- "$2" "$3"; fi',
  'case $(cp --help 2>&1) in *BusyBox*|*oybox*) drone_how=-af;; *) drone_how=-a;; esac',
  'cp $drone_how "$1" "$2" || fail cp',
].join('\n');

export async function copyFileOrDirectory(call: MethodCall, source: unknown, destination: unknown): Promise<void> {
  const { named, into } = copyArguments(source, destination);
  const given = await expandHome(call, named);
  const from = await absolute(call, given);
  const expanded = await expandHome(call, into);
  const to = await absolute(call, expanded.endsWith('/') ? `${expanded}${posix.basename(from)}` : expanded);
  const directory = posix.dirname(to);
  await runSteps(
    call,
    { text: COPY, args: [given, from, to, directory] },
    {
      ...makeSteps(to),
      ...makeSteps(directory, 'up'),
      look: systemStep({ syscall: given.endsWith('/') ? 'stat' : 'lstat', path: given }),
      folder: () => copyOverFolder(to),
      cp: (_code, stderr) => copyFailed(from, to, 'status 1', stderr),
    },
  );
}
