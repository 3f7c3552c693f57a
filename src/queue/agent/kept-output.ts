/** A command's output: streamed where the caller asked for that, and kept within a limit. */
import type { RunResult } from '../wire/methods.js';
import { Capture } from './capture.js';
import type { OutputSink } from './call-context.js';

const DEFAULT_BYTES = 1024 * 1024;

export class KeptOutput {
  readonly #sink: OutputSink | undefined;
  readonly #isKept: boolean;
  readonly #captures: { readonly stdout: Capture; readonly stderr: Capture };

  /** `maxBytes` is what the caller asked for, per stream: by default 1 MiB, or nothing of a streamed output. */
  constructor(maxBytes: number | undefined, sink: OutputSink | undefined) {
    this.#sink = sink;
    this.#isKept = maxBytes !== undefined || sink === undefined;
    const keptBytes = this.#isKept ? (maxBytes ?? DEFAULT_BYTES) : 0;
    this.#captures = { stdout: new Capture(keptBytes), stderr: new Capture(keptBytes) };
  }

  /**
   * A promise that it returns asks the command to wait: the link or the consumer is behind, and output would pile up here.
   */
  readonly take = (stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | undefined => {
    this.#captures[stream].push(chunk);
    return this.#sink === undefined || this.#sink.write(stream, chunk) ? undefined : this.#sink.drained();
  };

  texts(): { stdout: string; stderr: string } {
    const { stdout, stderr } = this.#captures;
    return this.#isKept ? { stdout: stdout.toString(), stderr: stderr.toString() } : { stdout: '', stderr: '' };
  }

  result(): Pick<RunResult, 'stdout' | 'stderr' | 'truncated' | 'totalBytes'> {
    const { stdout, stderr } = this.#captures;
    const totalBytes = { stdout: stdout.totalBytes, stderr: stderr.totalBytes };
    return { ...this.texts(), truncated: stdout.truncated || stderr.truncated, totalBytes };
  }
}
