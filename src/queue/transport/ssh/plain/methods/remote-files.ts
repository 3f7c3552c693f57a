/** The file system of a drone without an agent: each operation is a script of its own. */
import type { Entry, FileSystem, Found, NewFile, NewFileAt, SourceFile } from '../../../../transfer/file-system.js';
import { argument, ATTRIBUTES, digits, foundIn, seconds, SET_TIME } from './attributes.js';
import { expandHome, MAKE, makeSteps } from './directories.js';
import { PLACE } from './files.js';
import { RemoteNewFile } from './remote-new-file.js';
import { RemoteSource } from './remote-source.js';
import { type MethodCall, runSteps, systemStep } from './script.js';
import { systemError } from './system-error.js';

const LOOK = [ATTRIBUTES, 'attributes "$1" $2 || fail look'].join('\n');

/**
 * Prints each name with a zero byte after it, an empty name, and, if stat knows all of them, a line of attributes for each.
 */
const LIST = [
  'ls -- "$1" >/dev/null || fail list; cd -- "$1" 2>/dev/null || fail enter',
  'names() { for drone_name in * .[!.]* ..?*; do',
  'if [ -e "./$drone_name" ] || [ -L "./$drone_name" ]; then printf "%s\\0" "./$drone_name"; fi; done; }',
  'names; printf "\\0"; names | xargs -0 stat -c "S %f %s %Y %y" -- 2>/dev/null; exit 0',
].join('\n');

export class RemoteFiles implements FileSystem {
  readonly #call: MethodCall;

  constructor(call: MethodCall) {
    this.#call = call;
  }

  expandHome(path: string): Promise<string> {
    return expandHome(this.#call, path);
  }

  stat(path: Buffer): Promise<Found> {
    return this.#look(path, 'stat', '-L');
  }

  lstat(path: Buffer): Promise<Found> {
    return this.#look(path, 'lstat', '');
  }

  async #look(path: Buffer, syscall: string, how: string): Promise<Found> {
    const line = await this.#run(LOOK, [argument(path), how], { look: step(syscall, path) });
    return foundIn(line.toString('latin1'));
  }

  async list(path: Buffer): Promise<readonly Entry[]> {
    const output = await this.#run(LIST, [argument(path)], {
      list: step('scandir', path),
      enter: () => systemError('EACCES', { syscall: 'scandir', path: path.toString() }),
    });
    const text = output.toString('latin1');
    const end = text.startsWith('\0') ? 0 : text.indexOf('\0\0') + 1;
    const names = text.slice(0, end).split('\0').slice(0, -1);
    const lines = text
      .slice(end + 1)
      .split('\n')
      .slice(0, -1);
    return names.map((name, at) => ({
      name: Buffer.from(name.slice('./'.length), 'latin1'),
      // Fewer lines: an entry has vanished, and nothing tells which.
      ...(lines.length === names.length && { found: foundIn(lines[at] ?? '') }),
    }));
  }

  async readlink(path: Buffer): Promise<Uint8Array> {
    const output = await this.#run('readlink -- "$1" || fail readlink', [argument(path)], {
      readlink: step('readlink', path),
    });
    return output.subarray(0, -1);
  }

  openFile(path: Buffer, mayBeLink: boolean): Promise<SourceFile> {
    return RemoteSource.open(this.#call, path, mayBeLink);
  }

  newFile(at: NewFileAt): Promise<NewFile> {
    return RemoteNewFile.open(this.#call, at);
  }

  async mkdir(path: Buffer, mode: number): Promise<void> {
    await this.#run('mkdir -m "$2" -- "$1" || fail mkdir', [argument(path), digits(mode)], {
      mkdir: step('mkdir', path),
    });
  }

  async makeDirectory(path: Buffer): Promise<void> {
    await this.#run(`${MAKE}\nmake "$1"`, [argument(path)], makeSteps(path.toString()));
  }

  async chmod(path: Buffer, mode: number): Promise<void> {
    await this.#run('chmod "$2" "$1" || fail chmod', [argument(path), digits(mode)], { chmod: step('chmod', path) });
  }

  async setTime(path: Buffer, mtimeMs: number): Promise<void> {
    await this.#run(`${SET_TIME}\nsetTime "$1" "$2" || fail time`, [argument(path), seconds(mtimeMs)], {
      time: step('utime', path),
    });
  }

  async symlink(target: Uint8Array, path: Buffer): Promise<void> {
    await this.#run('ln -s -- "$1" "$2" || fail symlink', [target, argument(path)], { symlink: step('symlink', path) });
  }

  async rename(from: Buffer, to: Buffer): Promise<void> {
    await this.#run(`${PLACE}\nplace "$1" "$2" || fail rename`, [argument(from), argument(to)], {
      rename: systemStep({ syscall: 'rename', path: from.toString(), dest: to.toString() }),
    });
  }

  async remove(path: Buffer): Promise<void> {
    await this.#run('rm -f -- "$1" || fail unlink', [argument(path)], { unlink: step('unlink', path) });
  }

  async writeNew(path: Buffer, text: string): Promise<void> {
    const script = 'set -C; true >"$1" || fail open; set +C; cat >"$1" || fail write';
    const steps = { open: step('open', path), write: systemStep({ syscall: 'write' }) };
    await runSteps(this.#call, { text: script, args: [argument(path)], contents: text }, steps);
  }

  #run(text: string, args: readonly (string | Uint8Array)[], steps: Parameters<typeof runSteps>[2]): Promise<Buffer> {
    return runSteps(this.#call, { text, args }, steps);
  }
}

function step(syscall: string, path: Buffer): ReturnType<typeof systemStep> {
  return systemStep({ syscall, path: path.toString() });
}
