import { oneLine, quote } from '../report/untrusted-text.js';

export interface Exit {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stderr: string;
}

/** How a command ended, with the last line of its stderr. `where` follows, such as ` on web1`. */
export function exitText(command: string, { exitCode, signal, stderr }: Exit, where = ''): string {
  const how = signal === null ? `exited with status ${String(exitCode)}` : `was ended by ${signal}`;
  const reason = oneLine(
    stderr
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1) ?? '',
  );
  return `the command ${quote(command)} ${how}${where}${reason === '' ? '' : `: ${reason}`}`;
}
