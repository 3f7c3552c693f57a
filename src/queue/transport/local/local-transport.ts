/** This machine as a drone: the usual agent, as a resident child process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { onAbort, raceAbort } from '../../../wait/abort.js';
import { piecesOf } from '../../wire/frames.js';
import { agentExit } from '../agent-exit.js';
import { type Channel, type Transport, TransportError } from '../transport.js';

/** How long the agent's last output may take when another process holds the pipe open. */
const DRAIN_MS = 200;
/** An agent ends itself at the end of its stdin; it is killed this long after the kill grace. */
const FORCE_MARGIN_MS = 2000;
const PIECE_BYTES = 64 * 1024;

const dying = new Set<Dying>();

export const transport: Transport = {
  open(_spec, start, events, context) {
    context.phase('connect');
    return new Promise((resolve, reject) => {
      // Detached, so that the scheduler handles a Ctrl-C in its terminal.
      const child = spawn(process.execPath, ['-e', start.loader, start.marker], { detached: true, stdio: 'pipe' });
      const streams = [child.stdin, child.stdout, child.stderr] as unknown as Socket[];
      let ended = false;
      let stopListening = (): void => undefined;
      const end = (cause: Error | undefined): void => {
        if (ended) return;
        ended = true;
        stopListening();
        events.end(cause);
      };
      const destroy = (): void => {
        const isOver = child.exitCode !== null || child.signalCode !== null;
        if (isOver) {
          for (const stream of streams) stream.destroy();
        } else {
          child.stdin.end();
          dying.add(new Dying(child, streams, context.killGraceMs + FORCE_MARGIN_MS));
        }
        end(undefined);
      };
      child.once('error', error => {
        reject(new TransportError('bootstrap', `cannot start ${process.execPath}: ${error.message}`, { cause: error }));
        end(error);
      });
      // Without a process there may be no pipes, whatever the types say: as with no file descriptors left.
      if (child.pid === undefined) return;
      child.stdin.on('error', () => undefined); // EPIPE: the exit event tells
      child.stdout.on('data', (chunk: Uint8Array) => {
        if (!ended) events.data(chunk);
      });
      child.stderr.on('data', (chunk: Uint8Array) => {
        if (!ended) events.diagnostics(chunk);
      });
      child.once('exit', (exitCode, signal) => {
        const cause = agentExit(exitCode, signal);
        const drained = setTimeout(end, DRAIN_MS, cause);
        child.once('close', () => {
          clearTimeout(drained);
          end(cause);
        });
      });
      // Nothing runs yet that needs an orderly end; and what delays a start, such as a debugger, also hides the end of
      // stdin.
      stopListening = onAbort(context.signal, () => {
        child.kill('SIGKILL');
        destroy();
      });
      const channel = channelTo(child, streams, destroy);
      if (!context.held) channel.release();
      child.once('spawn', () => {
        child.stdin.write(start.input);
        resolve(channel);
      });
    });
  },

  async idle() {
    for (const agent of dying) agent.hold();
    await Promise.all([...dying].map(agent => agent.gone));
  },
};

/** An agent on its way out. */
class Dying {
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #force: NodeJS.Timeout;

  constructor(child: ChildProcess, streams: readonly Socket[], forceMs: number) {
    this.#child = child;
    this.#force = setTimeout(() => child.kill('SIGKILL'), forceMs).unref();
    this.gone = new Promise(resolve =>
      child.once('exit', () => {
        clearTimeout(this.#force);
        for (const stream of streams) stream.destroy();
        dying.delete(this);
        resolve();
      }),
    );
  }

  hold(): void {
    this.#child.ref();
    this.#force.ref();
  }
}

function channelTo(child: ChildProcess, streams: readonly Socket[], destroy: () => void): Channel {
  return {
    endsAgent: true,
    write: bytes => {
      if (child.stdin?.writable !== true) return;
      // In pieces, so that the number of unsent bytes falls as they go.
      for (const piece of piecesOf(bytes, PIECE_BYTES)) child.stdin.write(piece);
    },
    get unsentBytes() {
      return child.stdin?.writableLength ?? 0;
    },
    hold: () => {
      child.ref();
      for (const stream of streams) stream.ref();
    },
    release: () => {
      child.unref();
      for (const stream of streams) stream.unref();
    },
    close: () => child.stdin?.end(),
    runBeside,
    destroy,
  };
}

/** See Channel.runBeside. */
async function runBeside(script: string, output: (chunk: Uint8Array) => void, signal: AbortSignal): Promise<void> {
  const shell = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const closed = once(shell, 'close');
    // Without a process there may be no pipe, whatever the type says; the error follows.
    if (shell.pid !== undefined) shell.stdout.on('data', output);
    await raceAbort(signal, closed);
  } finally {
    if (shell.pid !== undefined) shell.stdout.destroy();
    shell.unref();
  }
}
