/** What a file is, as a script on the drone prints and sets it. */
/* eslint-disable no-template-curly-in-string -- sh expands ${…}, not JavaScript */
import type { Found } from '../../../../transfer/file-system.js';

/**
 * Defines `attributes <path> [-L]`, which prints a line: `S`, mode, bytes and time by stat, or where there is none `L`, the
 * seconds of the time, and what ls prints.
 */
export const ATTRIBUTES = [
  'attributes() { if command -v stat >/dev/null 2>&1; then stat $2 -c "S %f %s %Y %y" -- "$1"; else',
  'drone_line=$(ls -ldn${2#-} -- "$1") && echo "L $(date -r "$1" +%s) $drone_line"; fi; }',
].join('\n');

/** Defines `setTime <path> <seconds>`: to the second if touch accepts no fraction. */
export const SET_TIME = 'setTime() { touch -m -d "@$2" -- "$1" 2>/dev/null || touch -d "@${2%.*}" -- "$1"; }';

const SLASH = 0x2f;

const KINDS: Readonly<Record<string, Found['kind']>> = {
  '8': 'file',
  '4': 'folder',
  a: 'link',
  '-': 'file',
  d: 'folder',
  l: 'link',
};

/** Parses a line of `attributes`. */
export function foundIn(line: string): Found {
  const [how, ...fields] = line.trim().split(/\s+/);
  if (how === 'S') {
    const [mode = '', size, time, , clock = ''] = fields;
    const bits = Number.parseInt(mode, 16);
    const nanos = Number((/\.(\d{1,9})/.exec(clock)?.[1] ?? '').padEnd(9, '0'));
    const mtimeMs = Number(time) * 1000 + nanos / 1e6;
    return { kind: KINDS[(bits >> 12).toString(16)] ?? 'other', mode: bits & 0o7777, mtimeMs, size: Number(size) };
  }
  const [time, modes = '', , , , size] = fields;
  return {
    kind: KINDS[modes.slice(0, 1)] ?? 'other',
    mode: permissionsIn(modes),
    mtimeMs: Number(time) * 1000,
    size: Number(size),
  };
}

/** The permissions in a mode as ls prints it, without special bits. */
function permissionsIn(modes: string): number {
  return Array.from(modes.slice(1, 10)).reduce((bits, char) => 2 * bits + ('-ST'.includes(char) ? 0 : 1), 0);
}

/** A path that is not taken for an option. */
export function argument(path: Buffer): Buffer {
  return path[0] === SLASH ? path : Buffer.concat([Buffer.from('./'), path]);
}

export function digits(mode: number): string {
  return mode.toString(8);
}

/** Seconds with nine digits after the point. */
export function seconds(mtimeMs: number): string {
  const whole = Math.trunc(mtimeMs / 1000);
  const nanos = Math.min(Math.round(Math.abs(mtimeMs - whole * 1000) * 1e6), 999_999_999);
  return `${mtimeMs < 0 ? '-' : ''}${String(Math.abs(whole))}.${String(nanos).padStart(9, '0')}`;
}
