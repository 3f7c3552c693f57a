/**
 * A process that looks names up.
 *
 * It is idle, then busy while look-ups are awaited, and over once it was ended or has died. It ends after IDLE_MS of being
 * idle; at once if abandoned look-ups still occupy its threads.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { getDefaultResultOrder, type LookupAllOptions } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { fileURLToPath } from 'node:url';
import { packageFile } from '../../../option/package-file.js';
import type { NameAnswer, NameQuestion } from './name-program.js';

const PROGRAM = fileURLToPath(packageFile('./name-program.js', import.meta.url));
/** libuv gives look-ups half of its threads. */
const LOOK_UPS = 64;
const IDLE_MS = 5000;

export interface Wanted {
  readonly host: string;
  /** Keeps this process alive meanwhile. */
  readonly held: boolean;
  resolve(addresses: readonly string[]): void;
  reject(error: unknown): void;
}

export class NameProcess {
  /** Resolves when nothing is left of it. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #onFree: () => void;
  readonly #awaited = new Map<number, Wanted>();
  /** Ids of look-ups that were given up and still run. */
  readonly #abandoned = new Set<number>();
  #last = 0;
  #idle: NodeJS.Timeout | undefined;
  #isOver = false;

  /** `onFree` is called when it takes more again, and when it is over. Throws where no process can be started. */
  constructor(onFree: () => void) {
    this.#onFree = onFree;
    this.#child = fork(PROGRAM, {
      // Flags of this process, such as those of a debugger, are not the program's.
      execArgv: [],
      env: { ...process.env, NODE_OPTIONS: '', UV_THREADPOOL_SIZE: String(2 * LOOK_UPS - 1) },
      // So that the scheduler handles a Ctrl-C in its terminal.
      detached: true,
      cwd: '/',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'advanced',
    });
    this.gone = new Promise(resolve => {
      const die = (): void => {
        this.#die();
        resolve();
      };
      this.#child.once('exit', die).once('error', die);
    });
    this.#child.on('message', (answer: NameAnswer) => this.#take(answer));
    this.#hold();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isFull(): boolean {
    return this.#isOver || this.#awaited.size + this.#abandoned.size >= LOOK_UPS;
  }

  /** Starts a look-up. Returns a function that gives it up. */
  start(wanted: Wanted): () => void {
    clearTimeout(this.#idle);
    const id = ++this.#last;
    this.#awaited.set(id, wanted);
    this.#hold();
    const question: NameQuestion = { id, host: wanted.host, options: lookUpOptions() };
    // A process that is gone takes none: its end is handled where it is noticed.
    this.#child.send(question, () => undefined);
    return () => {
      if (!this.#awaited.delete(id)) return;
      this.#abandoned.add(id);
      this.#hold();
      this.#rest();
    };
  }

  /** Ends it unless look-ups are awaited; then resolves when it is gone. */
  async endIfIdle(): Promise<void> {
    if (this.#awaited.size > 0) return;
    this.#end();
    this.#child.ref();
    await this.gone;
  }

  #hold(): void {
    const isHeld = [...this.#awaited.values()].some(({ held }) => held);
    if (isHeld) {
      this.#child.ref();
      this.#child.channel?.ref();
    } else {
      this.#child.unref();
      this.#child.channel?.unref();
    }
  }

  #take({ id, error, addresses }: NameAnswer): void {
    this.#abandoned.delete(id);
    const wanted = this.#awaited.get(id);
    this.#awaited.delete(id);
    if (error) wanted?.reject(Object.assign(new Error(error.message), { code: error.code }));
    else wanted?.resolve(addresses);
    this.#hold();
    this.#rest();
    if (!this.#isOver) this.#onFree();
  }

  #rest(): void {
    if (this.#awaited.size > 0 || this.#isOver) return;
    clearTimeout(this.#idle);
    if (this.#abandoned.size > 0) this.#end();
    else this.#idle = setTimeout(() => this.#end(), IDLE_MS).unref();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#idle);
    this.#child.kill('SIGKILL');
    this.#onFree();
  }

  /** It could not start, or something else ended it: this process does the awaited look-ups. */
  #die(): void {
    const awaited = [...this.#awaited.values()];
    this.#awaited.clear();
    this.#end();
    for (const { host, resolve, reject } of awaited) lookUpHere(host).then(resolve, reject);
  }
}

/** Looks a name up in this process. It cannot be given up, and takes a thread that files and keys need, too. */
export async function lookUpHere(host: string): Promise<readonly string[]> {
  return (await lookup(host, lookUpOptions())).map(({ address }) => address);
}

function lookUpOptions(): LookupAllOptions {
  return { all: true, order: getDefaultResultOrder() };
}
