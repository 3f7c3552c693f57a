/** Runs a script beside a hung agent, over a second channel or a second connection. */
import { raceAbort } from '../../../wait/abort.js';
import { Deadline } from '../../../wait/deadline.js';
import type { SshConnection } from './connection.js';
import type { CommandOutput } from './plain/command.js';
import { type ConnectAgain, runNow } from './plain/ender.js';
import { ExecSlots } from './plain/exec-slots.js';
import { execText } from './plain/shell-text.js';

/**
 * How long the server may take for a sign of life. Without one, the connection counts as gone, rather than the agent as
 * hung.
 */
const ANSWER_MS = 3000;

export class SideScript {
  readonly #connection: SshConnection;
  readonly #connectAgain: ConnectAgain;
  #isAtWork = false;

  constructor(connection: SshConnection, connectAgain: ConnectAgain) {
    this.#connection = connection;
    this.#connectAgain = connectAgain;
  }

  /** The connection is in use, and ends with the script. */
  get isAtWork(): boolean {
    return this.#isAtWork;
  }

  /** See Channel.runBeside. Ends the connection. */
  async run(script: string, output: (chunk: Uint8Array) => void, signal: AbortSignal): Promise<void> {
    const server = this.#connection;
    const limit = new Deadline([signal]);
    const gone = limit.signal;
    const silence = setTimeout(() => limit.end(new Error('the server does not answer either')), ANSWER_MS);
    this.#isAtWork = true;
    server.hold();
    try {
      await raceAbort(gone, server.ping());
      clearTimeout(silence);
      const way = { server, slots: new ExecSlots(server, gone), connectAgain: this.#connectAgain, gone };
      const both: CommandOutput = (_stream, chunk) => {
        output(chunk);
        return undefined;
      };
      await raceAbort(gone, runNow(way, execText({ script, isUnheard: true }), both));
    } finally {
      clearTimeout(silence);
      this.#isAtWork = false;
      limit.end();
      limit.release();
      server.destroy();
    }
  }
}
