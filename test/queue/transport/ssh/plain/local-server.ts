/** A server that runs commands on this machine, as sshd does: by a login shell, in a session of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Duplex, type Readable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import type { Server } from '../../../../../src/queue/transport/ssh/plain/server.js';

export interface LocalServerOptions {
  /** Path of the shell that stands for /bin/sh. */
  readonly shell: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

export class LocalServer implements Server {
  readonly #options: LocalServerOptions;
  readonly #channels = new Set<LocalChannel>();
  readonly #listeners: ((cause: Error | undefined) => void)[] = [];
  #isEnded = false;

  constructor(options: LocalServerOptions) {
    this.#options = options;
  }

  async exec<T>(
    command: string,
    _signal: AbortSignal,
    listen: (channel: ClientChannel) => T,
    onRequest?: () => void,
  ): Promise<T> {
    await Promise.resolve();
    onRequest?.();
    const { shell, env, cwd } = this.#options;
    const child = spawn(shell, ['-c', this.#own(command)], { cwd, env, detached: true, stdio: 'pipe' });
    const channel = new LocalChannel(child, text => this.#own(text));
    this.#channels.add(channel);
    channel.once('close', () => this.#channels.delete(channel));
    return listen(channel as unknown as ClientChannel);
  }

  ping(): Promise<void> {
    return new Promise(resolve => setImmediate(resolve));
  }

  onEnd(listener: (cause: Error | undefined) => void): void {
    this.#listeners.push(listener);
    if (this.#isEnded) setImmediate(listener, undefined);
  }

  hold(): void {
    // nothing keeps this process from its end
  }

  release(): void {
    // see above
  }

  /** As sshd does, it leaves what runs to itself. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const channel of this.#channels) channel.destroy();
    for (const listener of this.#listeners) listener(undefined);
  }

  destroy(): void {
    this.end();
  }

  #own(text: string): string {
    return text.replaceAll('/bin/sh', this.#options.shell);
  }
}

/** What of a channel a Command needs. */
class LocalChannel extends Duplex {
  readonly stderr: Readable;
  readonly #child: ChildProcess;
  readonly #own: (text: string) => string;
  #isFirst = true;
  #isClosed = false;

  constructor(child: ChildProcess, own: (text: string) => string) {
    super({ autoDestroy: false, emitClose: false });
    const { stdout, stderr, stdin } = child;
    if (stdout === null || stderr === null || stdin === null) throw new Error('a shell without pipes');
    this.#child = child;
    this.#own = own;
    this.stderr = stderr;
    stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) stdout.pause();
    });
    stdout.once('end', () => this.push(null));
    stdin.on('error', () => undefined);
    child.once('exit', (code, signal) => this.emit('exit', code, signal ?? undefined));
    // Of the child's own event: its exit, and the end of both streams.
    child.once('close', () => this.#close());
  }

  override _read(): void {
    this.#child.stdout?.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // The text of a long command comes so; the first write has all of it.
    const bytes = this.#isFirst ? Buffer.from(this.#own(chunk.toString('latin1')), 'latin1') : chunk;
    this.#isFirst = false;
    this.#child.stdin?.write(bytes, () => done());
  }

  override _final(done: () => void): void {
    this.#child.stdin?.end();
    done();
  }

  override destroy(): this {
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream?.destroy();
    this.#close();
    return this;
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    setImmediate(() => this.emit('close'));
  }
}
