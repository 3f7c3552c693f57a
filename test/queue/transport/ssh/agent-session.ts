/** Starts a stand-in for the agent through the ssh transport, and collects what comes back. */
import assert from 'node:assert/strict';
import { decode, encode } from '../../../../src/queue/wire/codec/codec.js';
import { endpointOf } from '../../../../src/queue/drone/drone.js';
import { SshDrone, type SshDroneOptions } from '../../../../src/queue/drone/ssh-drone.js';
import { transport } from '../../../../src/queue/transport/ssh/ssh-transport.js';
import { type Channel, type Pause, TransportError } from '../../../../src/queue/transport/transport.js';
import type { Answer, Phase } from '../../../../src/queue/wire/messages.js';
import { Answers } from '../../../../src/queue/round/answers.js';
import { inTurn } from '../../../../src/queue/thread/connect-turn.js';
import type { Place } from '../../../../src/queue/thread/runner.js';
import { Semaphore } from '../../../../src/wait/semaphore.js';

/** Sends back what it is sent, until that ends. */
export const ECHO = 'process.stdin.pipe(process.stdout)';

export interface SessionOptions {
  readonly loader?: string;
  readonly input?: Uint8Array;
  readonly signal?: AbortSignal;
  readonly keepaliveIntervalMs?: number;
  readonly keepaliveCount?: number;
  readonly connectTimeoutMs?: number;
  /** Of the queue that this stands for; default: one of its own. */
  readonly answers?: Answers;
  readonly onPhase?: (phase: Phase) => void;
}

export interface Session {
  readonly channel: Channel;
  /** Without `waiting`. */
  readonly phases: readonly Phase[];
  /** Resolves once so many bytes have come in all. */
  received(bytes: number): Promise<Buffer>;
  readonly ended: Promise<Error | undefined>;
  /** How often the transport has said that it is over. */
  readonly ends: number;
  readonly stderr: string;
}

/** Of a drone, or of one made with these options. */
export async function openSession(
  options: SshDroneOptions | SshDrone,
  settings: SessionOptions = {},
): Promise<Session> {
  const { loader = ECHO, input = new Uint8Array(0), signal = new AbortController().signal, onPhase } = settings;
  const { keepaliveIntervalMs = 15_000, keepaliveCount = 3, connectTimeoutMs = 1, answers = new Answers() } = settings;
  const phases: Phase[] = [];
  const chunks: Buffer[] = [];
  let stderr = '';
  let ends = 0;
  let onData = (): void => undefined;
  let onEnd: (cause: Error | undefined) => void = () => undefined;
  const ended = new Promise<Error | undefined>(resolve => {
    onEnd = resolve;
  });
  const endpoint = endpointOf(options instanceof SshDrone ? options : new SshDrone('drone.test', options));
  answers.know(endpoint);
  const reached = (phase: Phase): void => {
    if (phase !== 'waiting') phases.push(phase);
    onPhase?.(phase);
  };
  const open = (pause: Pause): Promise<Channel> =>
    transport.open(
      endpoint.spec,
      { loader, marker: 'marker', input },
      {
        data: chunk => {
          assert.equal(ends, 0, 'data after the end');
          chunks.push(Buffer.from(chunk));
          onData();
        },
        diagnostics: chunk => {
          stderr += Buffer.from(chunk).toString();
        },
        end: cause => {
          ends++;
          onEnd(cause);
        },
      },
      {
        connectTimeoutMs,
        keepaliveIntervalMs,
        keepaliveCount,
        maxConnectingPerAddress: 8,
        killGraceMs: 2_000,
        signal,
        phase: reached,
        pause,
        openShared: (shared, onWait, openIt) => inTurn(new Semaphore(1), shared, onWait, openIt),
        held: true,
        relay: () => assert.fail('ssh needs no relay'),
        ask: question =>
          new Promise((resolve, reject) => {
            signal.addEventListener('abort', () => {
              reject(signal.reason as Error);
            });
            const place: Place = {
              threadId: 0,
              send: (_type, _id, _index, payload) => {
                const answer = decode(payload ?? new Uint8Array()) as Answer;
                if (answer.thrown) reject(answer.thrown.error);
                else resolve(answer);
              },
            };
            void answers.take(place, 0, encode(question));
          }),
      },
    );
  const channel = await inTurn(new Semaphore(1), signal, () => reached('waiting'), open);
  return {
    channel,
    phases,
    ended,
    get ends() {
      return ends;
    },
    get stderr() {
      return stderr;
    },
    async received(bytes) {
      const has = (): boolean => chunks.reduce((sum, { length }) => sum + length, 0) >= bytes;
      const enough = new Promise<void>(resolve => {
        onData = () => {
          if (has()) resolve();
        };
        onData();
      });
      const cause = await Promise.race([enough, ended.then(error => error ?? new Error('ended'))]);
      if (cause && !has()) throw cause;
      return Buffer.concat(chunks);
    },
  };
}

/** Ends a session in an orderly way. */
export async function close(session: Session): Promise<void> {
  session.channel.close();
  assert.equal(await session.ended, undefined);
}

/** The failure of a session that cannot be opened, with the phases that it came through. */
export async function refusal(
  options: SshDroneOptions | SshDrone,
  settings: SessionOptions = {},
): Promise<TransportError & { readonly phases: Phase[] }> {
  const phases: Phase[] = [];
  try {
    const session = await openSession(options, {
      ...settings,
      onPhase: phase => {
        if (phase !== 'waiting') phases.push(phase);
        settings.onPhase?.(phase);
      },
    });
    session.channel.destroy();
  } catch (error) {
    assert(error instanceof TransportError, String(error));
    return Object.assign(error, { phases });
  }
  assert.fail('the connection was not refused');
}
