/** `refresh` without an agent, by one script: pidfiles, the process table, the pidfiles again. See queue/agent/refresh.ts. */
/* eslint-disable no-template-curly-in-string -- sh expands ${…}, not JavaScript */
import { randomBytes } from 'node:crypto';
import { pidfilesArg } from '../../../../agent/arguments.js';
import { MAX_PIDFILE_BYTES, MISSING } from '../../../../agent/pidfiles.js';
import type { RefreshResult } from '../../../../wire/methods.js';
import { PS_COLUMNS, processesInPs, processFrom, type ProcessInfo } from '../../../../../process/process-table.js';
import { type MethodCall, runSteps } from './script.js';
import { codeIn } from './system-error.js';

/**
 * Defines `look <path>…`: reads the start of all plain files with one head, which prints each file's name in front of it.
 * Only where that fails, as when a file vanishes, it reads them one by one. `say` starts a section of the output.
 */
const LOOK = [
  'say() { printf "%s:%s\\n" "$drone_mark" "$1"; }',
  'odd() { if [ -f "$2" ]; then say "why $1"; echo "x: Permission denied"',
  'elif [ -S "$2" ]; then say "why $1"; echo "x: No such device or address"',
  'elif [ ! -e "$2" ]; then drone_up=${2%/*}/',
  'if [ -L "$2" ] || [ ! -x "$drone_up" ] || [ ${#2} -gt 255 ]; then',
  'drone_why=$(ls -Ld -- "$2" 2>&1) || { say "why $1"; printf "%s\\n" "$drone_why"; }; fi; fi; say "skip $1"; }',
  'look() { drone_at=0; drone_odd=; for drone_path do drone_at=$((drone_at+1))',
  'if [ ! -f "$drone_path" ] || [ ! -r "$drone_path" ]; then drone_odd=1; odd $drone_at "$drone_path"; fi; done',
  'if [ -n "$drone_odd" ]; then for drone_path do shift',
  'if [ -f "$drone_path" ] && [ -r "$drone_path" ]; then set -- "$@" "$drone_path"; fi; done; fi',
  `say files; if [ $# -eq 0 ] || head -vc ${String(MAX_PIDFILE_BYTES + 1)} -- "$@" 2>/dev/null; then say whole; return; fi`,
  'say each; drone_at=0; for drone_path do drone_at=$((drone_at+1)); say "file $drone_at"',
  `{ drone_why=$(head -c ${String(MAX_PIDFILE_BYTES + 1)} <"$drone_path" 2>&1 >&3 3>&-); } 3>&1 2>/dev/null ||`,
  '{ say "failed $drone_at"; printf "%s\\n" "$drone_why"; }; done; }',
];

/**
 * Reads all of /proc with one cat. Between two files, cat prints its own environment, whose only variable no other process
 * can know; so no process can pass for another through its arguments. With arguments for `$2` the files are read one by
 * one, for systems on which a process cannot read its environment.
 */
const TABLE = [
  'if [ ! -r /proc/self/stat ]; then say ps',
  `ps -ww -eo ${PS_COLUMNS.args} || fail ps; say names; ps -ww -eo ${PS_COLUMNS.names} || fail ps`,
  'elif [ -n "$2" ]; then say table; for drone_at in /proc/[0-9]*; do for drone_file in cmdline stat; do',
  'cat "$drone_at/$drone_file" 2>/dev/null; printf "%s\\0" "$1"; done; done',
  'else say table; drone_cat=$(command -v cat); cd /proc; drone_files=; for drone_at in [0-9]*; do',
  'drone_files="$drone_files $drone_at/cmdline self/environ $drone_at/stat self/environ"; done',
  'env -i "$1" "$drone_cat" $drone_files 2>/dev/null; fi',
  // A process that has ended meanwhile does not count as a failure.
  ':',
];

/** Arguments: the variable that separates processes, whether to read them one by one, the mark of sections, paths. */
const REFRESH = [
  ...LOOK,
  'table() {',
  ...TABLE,
  '}',
  'drone_variable=$1; drone_slow=$2; drone_mark=$3; shift 3',
  // The directory of the login stays: table changes it.
  'look "$@"; ( table "$drone_variable" "$drone_slow" ) || exit; say again; look "$@"; say end',
].join('\n');

export async function refresh(call: MethodCall, pidfilePaths: unknown): Promise<RefreshResult> {
  const files = [...new Set(pidfilesArg('refresh: pidfilePaths', pidfilePaths))];
  const unreadable = new Map<string, string>();
  const variable = `d=${randomBytes(16).toString('hex')}`;
  let sections = await read(call, variable, '', files);
  if (sections.some(({ tag, body }) => tag === 'table' && !body.includes(`${variable}\0`))) {
    sections = await read(call, variable, 'slow', files);
  }
  const again = sections.findIndex(({ tag }) => tag === 'again');
  return {
    pidfiles: contentsIn(sections.slice(0, again), files, unreadable),
    processes: processesIn(sections, variable),
    pidfilesSecondRead: contentsIn(sections.slice(again), files, unreadable),
    unreadable: Object.fromEntries(unreadable),
  };
}

/** A part of the output; one character per byte, here and below. */
interface Section {
  readonly tag: string;
  readonly body: string;
}

async function read(
  call: MethodCall,
  variable: string,
  slow: string,
  files: readonly string[],
): Promise<readonly Section[]> {
  const mark = randomBytes(16).toString('hex');
  const args = [variable, slow, mark, ...files.map(argumentOf)];
  const output = await runSteps(call, { text: REFRESH, args }, {});
  return output
    .toString('latin1')
    .split(`${mark}:`)
    .slice(1)
    .map(text => {
      const end = text.indexOf('\n');
      return { tag: text.slice(0, end), body: text.slice(end + 1) };
    });
}

/** Not an option, and with a directory. */
function argumentOf(path: string): string {
  return path.startsWith('/') ? path : `./${path}`;
}

function contentsIn(
  sections: readonly Section[],
  files: readonly string[],
  unreadable: Map<string, string>,
): Record<string, string> {
  const skipped = new Set<string>();
  let plain: readonly string[] = files;
  const contents = new Map<string, string>();
  for (const { tag, body } of sections) {
    const [word, number = '0'] = tag.split(' ');
    if (word === 'files') {
      plain = files.filter(path => !skipped.has(path));
      for (const [path, text] of namedIn(body, plain)) contents.set(path, text);
    }
    if (word === 'each') contents.clear();
    const path = (word === 'why' || word === 'skip' ? files : plain)[Number(number) - 1];
    if (path === undefined) continue;
    if (word === 'skip') skipped.add(path);
    if (word === 'file') contents.set(path, body);
    if (word === 'failed') contents.delete(path);
    if (word !== 'why' && word !== 'failed') continue;
    const code = codeIn(body);
    if (!MISSING.has(code)) unreadable.set(path, code ?? body.trim());
  }
  return Object.fromEntries([...contents].map(([path, text]) => [path, utf8(text)]));
}

/** What head printed: the files in this order, each behind a line with its name. */
function* namedIn(body: string, files: readonly string[]): Generator<[path: string, text: string]> {
  const headers = files.map(path => `==> ${Buffer.from(argumentOf(path)).toString('latin1')} <==\n`);
  let start = headers[0]?.length ?? 0;
  for (const [at, path] of files.entries()) {
    const next = headers[at + 1];
    const end = next === undefined ? body.length : body.indexOf(`\n${next}`, start);
    if (end < 0) return; // read one by one then
    yield [path, body.slice(start, end)];
    start = end + 1 + (next?.length ?? 0);
  }
}

function processesIn(sections: readonly Section[], variable: string): ProcessInfo[] {
  const of = (wanted: string): string | undefined => sections.find(({ tag }) => tag === wanted)?.body;
  const [table, withArgs, withNames] = ['table', 'ps', 'names'].map(of);
  if (table === undefined) return processesInPs(utf8(withArgs ?? ''), utf8(withNames ?? ''));
  const texts = table.split(`${variable}\0`);
  const processes: ProcessInfo[] = [];
  for (let at = 0; at + 1 < texts.length; at += 2) {
    const found = processFrom(utf8(texts[at + 1] ?? ''), utf8(texts[at] ?? ''));
    if (found !== undefined) processes.push(found);
  }
  return processes;
}

function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}
