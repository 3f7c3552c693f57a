/**
 * Ends process groups on a drone over a second channel, or over a second connection when the server allows no further
 * channel. One command serves all requests made at the same time.
 */
import type { ClientChannel } from 'ssh2';
import { onAbort } from '../../../../wait/abort.js';
import { Command, type CommandOutput } from './command.js';
import { END_WORDS, endScript, type EndWord, type Target } from '../../../../process/end-script.js';
import type { ExecSlots } from './exec-slots.js';
import { isChannelRefused, type Server } from './server.js';
import { type ExecText, execText } from './shell-text.js';

/** Opens a second connection to the same drone. */
export type ConnectAgain = (signal: AbortSignal) => Promise<Server>;

export interface Way {
  readonly server: Server;
  readonly slots: ExecSlots;
  readonly connectAgain: ConnectAgain;
  /** Aborted when the command is no longer awaited: a second connection ends then; the first has its owner. */
  readonly gone: AbortSignal;
}

export interface EnderOptions extends Way {
  readonly graceMs: () => number;
}

/** `<pid> <word>`. */
const LONGEST_ANSWER_CHARS = 100;

interface Wanted {
  readonly target: Target;
  readonly resolve: (word: EndWord) => void;
  readonly reject: (error: unknown) => void;
}

export class Ender {
  readonly #options: EnderOptions;
  /** Those whose end is not known yet. */
  readonly #pending = new Map<Target, Promise<EndWord>>();
  #wanted: Wanted[] = [];

  constructor(options: EnderOptions) {
    this.#options = options;
  }

  /** Rejects when the drone could not be reached, or did not answer. */
  end(target: Target): Promise<EndWord> {
    const ended = new Promise<EndWord>((resolve, reject) => {
      if (this.#wanted.push({ target, resolve, reject }) === 1) setImmediate(this.#send);
    }).finally(() => this.#pending.delete(target));
    this.#pending.set(target, ended);
    return ended;
  }

  /** Processes that are being ended. */
  get pids(): readonly number[] {
    return [...this.#pending.keys()].map(({ pid }) => pid);
  }

  /** Resolves when all of them have been dealt with, to those that are not known to be gone. */
  async over(): Promise<readonly number[]> {
    const { pids } = this;
    const ends = await Promise.allSettled(this.#pending.values());
    return pids.filter((_pid, at) => {
      const end = ends[at];
      return end?.status !== 'fulfilled' || end.value !== 'gone';
    });
  }

  readonly #send = (): void => {
    const wanted = this.#wanted;
    this.#wanted = [];
    this.#endAll(wanted).catch((error: unknown) => {
      for (const { reject } of wanted) reject(error);
    });
  };

  async #endAll(wanted: readonly Wanted[]): Promise<void> {
    const targets = wanted.map(({ target }) => target);
    const answers = new Answers(wanted);
    const script = endScript(targets, this.#options.graceMs());
    await runNow(this.#options, execText({ script, isUnheard: true }), answers.take);
    answers.finish();
  }
}

/** Runs a command to its end, ahead of those that wait for a channel, over a second connection if need be. */
export async function runNow(
  { server, slots, connectAgain, gone }: Way,
  text: ExecText,
  output: CommandOutput,
): Promise<void> {
  const listenOn = (on: Server) => (channel: ClientChannel) => {
    const command = new Command(on, channel, text, output);
    command.endInput();
    return command;
  };
  let second: Server | undefined;
  const stopListening = onAbort(gone, () => second?.destroy());
  try {
    const command = await slots.startNow(text, listenOn(server)).catch(async (error: unknown) => {
      if (!isChannelRefused(error)) throw error;
      second = await connectAgain(gone);
      return second.exec(text.command, gone, listenOn(second));
    });
    await command.over;
  } finally {
    stopListening();
    second?.end();
  }
}

/** Reads the script's answers. */
class Answers {
  readonly #wanted: readonly Wanted[];
  #line = '';
  #trouble = '';

  constructor(wanted: readonly Wanted[]) {
    this.#wanted = wanted;
  }

  readonly take: CommandOutput = (stream, chunk) => {
    if (stream === 'stderr') {
      this.#trouble = (this.#trouble + Buffer.from(chunk).toString()).slice(-1000);
      return undefined;
    }
    const lines = (this.#line + Buffer.from(chunk).toString('latin1')).split('\n');
    this.#line = (lines.pop() ?? '').slice(-LONGEST_ANSWER_CHARS);
    for (const line of lines) {
      const [pid, said] = line.split(' ');
      const word = END_WORDS.find(known => known === said);
      if (word === undefined) continue;
      for (const { target, resolve } of this.#wanted) if (String(target.pid) === pid) resolve(word);
    }
    return undefined;
  };

  /** Answered ones are settled already. */
  finish(): void {
    for (const { target, reject } of this.#wanted) {
      reject(
        new Error(`the drone did not report what happened to process ${String(target.pid)}: ${this.#trouble.trim()}`),
      );
    }
  }
}
