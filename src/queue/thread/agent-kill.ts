/** Kills an agent that does not answer, with a script that its transport starts beside it. */
import { endScript } from '../../process/end-script.js';
import { settlesWithin } from '../../wait/clock.js';
import { Deadline } from '../../wait/deadline.js';
import { PendingWork } from '../../wait/pending-work.js';
import type { Channel } from '../transport/transport.js';

/**
 * Wait after the kill grace for an agent's report that the call has ended, before it counts as dead. The agent needs up to
 * 700 ms; the rest is for the connection.
 */
export const ANSWER_MARGIN_MS = 3000;

/** How long a batch waits to learn whether its agent is gone; plus the margin above, less than the main thread's margin. */
const KNOWN_WITHIN_MS = 1500;

/** Longest part of the kill grace to wait for the script, which runs to its end. */
const LONGEST_GRACE_MS = 10_000;
/** For the connection, the script's start, and KILL. */
const SCRIPT_MARGIN_MS = 4000;
const MOST_SAID_CHARS = 1000;
const ANSWER = /^\d+ (\w+)\n/m;

export interface HungAgent {
  readonly channel: Channel | undefined;
  /** As the agent reported it. */
  readonly pid: number | undefined;
  /** The marker of the agent's start: the script spares another process that has got its pid. */
  readonly marker: string | undefined;
  readonly killGraceMs: number;
  /** Nothing waits for the outcome but the end of the queue, which can wait until the kill is over. */
  readonly isLast: boolean;
}

const kills = new PendingWork();

export function killsOver(): Promise<void> {
  return kills.over();
}

/**
 * Resolves to whether the agent and its commands are known to be gone, or to undefined if its transport cannot kill. It
 * resolves within KNOWN_WITHIN_MS, while the kill may go on, or with `isLast` after the kill. `warn` gets the kill's
 * failure.
 */
export async function killAgent(agent: HungAgent, warn: (message: string) => void): Promise<boolean | undefined> {
  const { channel, pid, marker, killGraceMs, isLast } = agent;
  if (channel?.runBeside === undefined || pid === undefined || marker === undefined) return undefined;
  const hung = `the agent (process ${String(pid)}) does not answer`;
  const script = endScript([{ kind: 'agent', pid, marker }], killGraceMs);
  const killed = kills.add(firstWord(channel, script, killGraceMs)).then(
    word => {
      if (word !== 'gone') warn(`${hung}, and it is not known whether it and its commands are gone`);
      return word === 'gone';
    },
    (error: unknown) => {
      warn(`${hung}, and could not be killed: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    },
  );
  return (isLast || (await settlesWithin(KNOWN_WITHIN_MS, killed))) && killed;
}

/**
 * The script's first word on the agent; see end-script.ts. What the login shell does afterwards is not waited for. Rejects
 * when there is none.
 */
async function firstWord(channel: Channel, script: string, killGraceMs: number): Promise<string> {
  const limit = new Deadline([], {
    limitMs: Math.min(killGraceMs, LONGEST_GRACE_MS) + SCRIPT_MARGIN_MS,
    reason: new Error('the drone did not report in time what happened to it'),
  });
  let said = '';
  let hear = (): void => undefined;
  const heard = new Promise<void>(resolve => (hear = resolve));
  const listen = (chunk: Uint8Array): void => {
    if (said.length < MOST_SAID_CHARS) said += Buffer.from(chunk).toString('latin1');
    if (ANSWER.test(said)) hear();
  };
  try {
    await Promise.race([heard, channel.runBeside?.(script, listen, limit.signal)]);
  } finally {
    limit.release();
    limit.end();
  }
  const [, word] = ANSWER.exec(said) ?? [];
  if (word === undefined)
    throw new Error(`the drone did not report what happened to it: ${said.trim().slice(0, MOST_SAID_CHARS)}`);
  return word;
}
