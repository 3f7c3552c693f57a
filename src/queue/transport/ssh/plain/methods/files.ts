/** `initialize`, `writeFile` and `appendToFile` without an agent. See queue/agent/files.ts. */
/* eslint-disable no-template-curly-in-string -- sh expands ${…}, not JavaScript */
import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import { appendArguments, scratchArgument, writeArguments } from '../../../../agent/file-arguments.js';
import { cannot, FileError } from '../../../../transfer/failure.js';
import { shownPath } from '../../../../transfer/paths.js';
import { absolute, MAKE, makeSteps } from './directories.js';
import { type MethodCall, runSteps, systemStep } from './script.js';

const INITIALIZE = [MAKE, 'rm -rf -- "$1" || fail rm', 'make "$1"'].join('\n');

export async function initialize(call: MethodCall, resultsDir: unknown): Promise<void> {
  const scratch = scratchArgument(resultsDir);
  await runSteps(
    call,
    { text: INITIALIZE, args: [scratch] },
    { rm: systemStep({ syscall: 'rm', path: scratch }), ...makeSteps(scratch) },
  );
}

/**
 * Defines `keep <file> <bytes>`, which takes stdin into a new file that is removed when the script ends, however it ends.
 * What a lost connection has cut off never counts as complete.
 */
export const KEEP = [
  'kept=; trap "exit 129" HUP; trap "exit 130" INT; trap "exit 141" PIPE; trap "exit 143" TERM',
  'keep() { kept=$1; trap \'rm -f -- "$kept"\' 0; true >"$1" || fail open; cat >"$1" || fail write;',
  '[ "$(wc -c <"$1")" -eq "$2" ] || fail cut; }',
].join('\n');

/** Defines `place <new> <file>`: a rename. A link to a directory is replaced, not followed. */
export const PLACE = [
  'place() { if [ -L "$2" ] && [ -d "$2" ]; then mv -fT -- "$1" "$2" 2>/dev/null && return;',
  'rm -f -- "$2" || return; fi; mv -f -- "$1" "$2"; }',
].join(' ');

/** Sets mode to the digits for the permissions in a line of ls. Not every drone has stat. */
const MODE = [
  'digit() { n=0; case $1 in r??) n=4;; esac; case $1 in ?w?) n=$((n+2));; esac;',
  'case $1 in ??[xst]) n=$((n+1));; esac; mode=$mode$n; }',
  'modeOf() { m=${1#?}; m=${m%"${m#?????????}"}; mode=; digit "${m%??????}"; m=${m#???}; digit "${m%???}"; digit "${m#???}"; }',
].join('\n');

/** Arguments: directory, file, temporary file, bytes. */
const WRITE = [
  MAKE,
  KEEP,
  PLACE,
  MODE,
  'make "$1"; mode=',
  // Looked at only where there is something, or may be: a link that leads nowhere, a name that is too long.
  'long=${2##*/}; if [ -e "$2" ] || [ -L "$2" ] || [ ${#long} -gt 63 ]; then',
  'if line=$(ls -ldL -- "$2" 2>&1); then modeOf "$line"; else case $line in *"No such file"*|*"Not a directory"*) ;;',
  '*) printf "%s\\n" "$line" >&2; fail stat;; esac; fi; fi',
  'if [ -L "$2" ]; then :; elif [ -d "$2" ]; then fail folder; elif [ -e "$2" ] && [ ! -f "$2" ]; then fail special; fi',
  'if [ -n "$mode" ]; then before=$(umask); umask 077; fi',
  'keep "$3" "$4"',
  'if [ -n "$mode" ]; then umask "$before"; chmod "$mode" "$3" || fail chmod; fi',
  'place "$3" "$2" || fail rename; trap - 0',
].join('\n');

export async function writeFile(call: MethodCall, path: unknown, contents: unknown): Promise<void> {
  const { given, bytes } = writeArguments(path, contents);
  const file = await absolute(call, given);
  const directory = posix.dirname(file);
  const temporary = posix.join(directory, temporaryName());
  const cannotWrite = (error: Error): Error => cannot('write', file, error);
  await runSteps(
    call,
    { text: WRITE, args: [directory, file, temporary, byteLength(bytes)], contents: bytes },
    {
      ...makeSteps(directory),
      stat: systemStep({ syscall: 'stat', path: file }),
      folder: () => new FileError('EISDIR', `${shownPath(file)} is a directory`),
      special: () =>
        new FileError('ERR_NOT_A_FILE', `${shownPath(file)} is neither a file nor a directory, and was left unchanged`),
      open: systemStep({ syscall: 'open', path: temporary }, cannotWrite),
      write: systemStep({ syscall: 'write' }, cannotWrite),
      chmod: systemStep({ syscall: 'fchmod' }, cannotWrite),
      rename: systemStep({ syscall: 'rename', path: temporary, dest: file }, cannotWrite),
    },
  );
}

/**
 * Arguments: directory, file, name of a temporary file, bytes. The contents are read completely before any of them is
 * appended, in writes as large as Node's. If no file can be created for that, they are appended as they come.
 */
const APPEND = [
  MAKE,
  KEEP,
  'make "$1"',
  'for at in "$1" "${TMPDIR:-/tmp}"; do if [ -w "$at" ] && [ -d "$at" ]; then before=$(umask); umask 077;',
  'keep "$at/$3" "$4"; umask "$before"; break; fi; done',
  'tee -a -- "$2" </dev/null >/dev/null || fail open',
  'if [ -n "$kept" ]; then dd if="$kept" bs=524288 >>"$2" || fail write; else cat >>"$2" || fail write; fi',
].join('\n');

export async function appendToFile(call: MethodCall, path: unknown, contents: unknown): Promise<void> {
  const { file, bytes } = appendArguments(path, contents);
  const directory = posix.dirname(file);
  const write = systemStep({ syscall: 'write' });
  await runSteps(
    call,
    { text: APPEND, args: [directory, file, temporaryName(), byteLength(bytes)], contents: bytes },
    { ...makeSteps(directory), open: systemStep({ syscall: 'open', path: file }), write },
  );
}

/** A temporary name, like that of a file that a transfer is about to place. */
function temporaryName(): string {
  return `.transfer-${randomBytes(8).toString('hex')}.part`;
}

function byteLength(bytes: string | Uint8Array): string {
  return String(Buffer.byteLength(bytes));
}
