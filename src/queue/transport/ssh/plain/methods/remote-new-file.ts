/** A file that a script on a drone without an agent takes from stdin, and puts in its place when it is let go. */
import type { NewFile, NewFileAt } from '../../../../transfer/file-system.js';
import type { Command } from '../command.js';
import { argument, digits, seconds, SET_TIME } from './attributes.js';
import { PLACE } from './files.js';
import { FAILED, type MethodCall, runSteps, systemStep } from './script.js';

const OPENED = 'open\n';

/**
 * Arguments: temporary file, destination, bytes, mode. Without the line after the bytes, as when the connection is lost or
 * the file discarded, the temporary file is removed. The bytes are read exactly, which head does not do in each busybox.
 */
const TAKE = [
  PLACE,
  SET_TIME,
  'trap "exit 129" HUP; trap "exit 130" INT; trap "exit 141" PIPE; trap "exit 143" TERM',
  'exact() { if dd if=/dev/null iflag=fullblock,count_bytes 2>/dev/null; then',
  'dd bs=65536 count="$1" iflag=fullblock,count_bytes; else head -c "$1"; fi; }',
  'umask 077; drone_kept=$1; trap \'rm -f -- "$drone_kept"\' 0; set -C; true >"$1" || fail open; set +C',
  'chmod "$4" "$1" || fail chmod; echo open',
  'if [ "$3" -gt 0 ]; then exact "$3" >"$1" || fail write; fi',
  'read -r drone_mode drone_time || fail cut; [ "$(wc -c <"$1")" -eq "$3" ] || fail cut',
  'if [ "$drone_mode" != keep ]; then chmod "$drone_mode" "$1" || fail chmod; fi',
  'setTime "$1" "$drone_time" || fail time; place "$1" "$2" || fail rename; trap - 0',
].join('\n');

export class RemoteNewFile implements NewFile {
  readonly #end: Promise<Buffer>;
  #command: Command | undefined;
  #isEnded = false;

  private constructor(call: MethodCall, { temporary, destination, mode, size }: NewFileAt, opened: () => void) {
    const path = temporary.toString();
    const dest = destination.toString();
    let printed = '';
    this.#end = runSteps(
      call,
      {
        text: TAKE,
        args: [argument(temporary), argument(destination), String(size), digits(mode)],
        feed: command => {
          this.#command = command;
        },
        onOutput: chunk => {
          printed += Buffer.from(chunk).toString('latin1');
          if (printed.startsWith(OPENED)) opened();
          else if (printed.startsWith(FAILED)) this.#endInput();
        },
      },
      {
        open: systemStep({ syscall: 'open', path }),
        chmod: systemStep({ syscall: 'fchmod' }),
        write: systemStep({ syscall: 'write' }),
        time: systemStep({ syscall: 'futime' }),
        rename: systemStep({ syscall: 'rename', path, dest }),
      },
    );
    // Whatever waits for it next reports that.
    this.#end.catch(() => undefined);
  }

  static async open(call: MethodCall, at: NewFileAt): Promise<RemoteNewFile> {
    let opened: () => void = () => undefined;
    const isOpen = new Promise<void>(resolve => {
      opened = resolve;
    });
    const file = new RemoteNewFile(call, at, opened);
    await Promise.race([isOpen, file.#end]);
    return file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await Promise.race([this.#command?.write(bytes), this.#end]);
  }

  async place(mode: number | undefined, mtimeMs: number): Promise<void> {
    this.#endInput(`${mode === undefined ? 'keep' : digits(mode)} ${seconds(mtimeMs)}\n`);
    await this.#end;
  }

  async discard(): Promise<void> {
    this.#endInput();
    await this.#end.catch(() => undefined);
  }

  discardNow(): void {
    void this.discard();
  }

  #endInput(line?: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#command?.endInput(line);
  }
}
