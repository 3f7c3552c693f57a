/** The exec channel that carries an agent's stdin and stdout. When it ends by itself, its connection stays. */
import type { ClientChannel } from 'ssh2';
import { piecesOf } from '../../wire/frames.js';
import { agentExit } from '../agent-exit.js';
import type { Channel, ChannelEvents } from '../transport.js';
import type { SshConnection } from './connection.js';
import type { SideScript } from './side-script.js';

/** How long the agent's last output may take when another process holds the pipe open. */
const DRAIN_MS = 1000;
const PIECE_BYTES = 64 * 1024;

export class AgentChannel implements Channel {
  readonly #connection: SshConnection;
  readonly #channel: ClientChannel;
  readonly #events: ChannelEvents;
  readonly #beside: SideScript;
  #exit: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOurEnd = false;
  #ended = false;

  constructor(connection: SshConnection, channel: ClientChannel, events: ChannelEvents, beside: SideScript) {
    this.#connection = connection;
    this.#channel = channel;
    this.#events = events;
    this.#beside = beside;
    channel
      .on('data', (chunk: Buffer) => {
        if (!this.#ended) events.data(chunk);
      })
      .on('exit', (exitCode: number | null, signal?: string) => {
        const exit = agentExit(exitCode, signal ?? null);
        this.#exit = exit;
        if (this.#isOurEnd) this.#letGo();
        else this.#timer = setTimeout(() => this.#end(exit), DRAIN_MS).unref();
      })
      // Repeats the exit: that of a command that ended at once came before we could listen.
      .on('close', (exitCode?: number | null, signal?: string) => {
        if (exitCode !== undefined) this.#exit ??= agentExit(exitCode, signal ?? null);
        if (this.#isOurEnd) this.#letGo();
        else this.#end(this.#exit ?? new Error('the server closed the channel'));
      })
      .on('error', (error: Error) => this.#end(error));
    channel.stderr.on('data', (chunk: Buffer) => {
      if (!this.#ended) events.diagnostics(chunk);
    });
    connection.onEnd(cause => this.#end(this.#exit ?? cause));
  }

  write(bytes: Uint8Array): void {
    if (this.#ended || this.#isOurEnd || !this.#channel.writable) return;
    // In pieces, so that the number of unsent bytes falls as they go.
    for (const piece of piecesOf(bytes, PIECE_BYTES)) {
      this.#channel.write(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    }
  }

  get unsentBytes(): number {
    return this.#channel.writableLength;
  }

  hold(): void {
    if (!this.#ended) this.#connection.hold();
  }

  release(): void {
    if (!this.#ended) this.#connection.release();
  }

  close(): void {
    if (this.#ended || this.#isOurEnd) return;
    this.#isOurEnd = true;
    this.#channel.end();
    clearTimeout(this.#timer);
    if (this.#exit !== undefined) this.#connection.end();
  }

  runBeside(script: string, output: (chunk: Uint8Array) => void, signal: AbortSignal): Promise<void> {
    return this.#beside.run(script, output, signal);
  }

  destroy(): void {
    this.#isOurEnd = true;
    if (!this.#beside.isAtWork) this.#connection.destroy();
  }

  /** A running side script ends the connection itself. */
  #letGo(): void {
    if (!this.#beside.isAtWork) this.#connection.end();
  }

  #end(cause: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#events.end(this.#isOurEnd ? undefined : cause);
  }
}
