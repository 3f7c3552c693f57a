/** What is kept of a command's output: its head and tail within a limit; and when it is streamed, nothing unless asked. */
import { Capture } from './capture.js';

const DEFAULT_BYTES = 1024 * 1024;

export class KeptOutput {
  readonly #isKept: boolean;
  readonly #captures: { readonly stdout: Capture; readonly stderr: Capture };

  /** `maxBytes` is what the caller asked for, per stream. */
  constructor(maxBytes: number | undefined, isStreamed: boolean) {
    this.#isKept = maxBytes !== undefined || !isStreamed;
    const keptBytes = this.#isKept ? (maxBytes ?? DEFAULT_BYTES) : 0;
    this.#captures = { stdout: new Capture(keptBytes), stderr: new Capture(keptBytes) };
  }

  push(stream: 'stdout' | 'stderr', chunk: Uint8Array): void {
    this.#captures[stream].push(chunk);
  }

  texts(): { stdout: string; stderr: string } {
    const { stdout, stderr } = this.#captures;
    return this.#isKept ? { stdout: stdout.toString(), stderr: stderr.toString() } : { stdout: '', stderr: '' };
  }

  /** Written in all, kept or not. */
  totalBytes(): { stdout: number; stderr: number } {
    const { stdout, stderr } = this.#captures;
    return { stdout: stdout.totalBytes, stderr: stderr.totalBytes };
  }

  get truncated(): boolean {
    return this.#captures.stdout.truncated || this.#captures.stderr.truncated;
  }
}
