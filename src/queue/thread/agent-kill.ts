/** Kills an agent that does not answer, by a script that its transport starts beside it. */
import { setTimeout as delay } from 'node:timers/promises';
import { endScript } from '../../process/end-script.js';
import { PendingWork } from '../../wait/pending-work.js';
import type { Channel } from '../transport/transport.js';

/**
 * How long after the kill grace an agent may take to say that the call is over, before it is held for dead. It needs up
 * to 700 ms itself; the rest is for the way there and back.
 */
export const ANSWER_MARGIN_MS = 3000;

/**
 * How long whoever waits for a batch of the agent also waits to learn whether it is gone. With the margin above it has
 * to stay below that of the main thread.
 */
const KNOWN_WITHIN_MS = 1500;

/** Of the kill grace, what the script is waited for. It goes on to its end. */
const LONGEST_GRACE_MS = 10_000;
/** For the way there, the script's start, and what KILL takes. */
const SCRIPT_MARGIN_MS = 4000;
const MOST_SAID_CHARS = 1000;

export interface HungAgent {
  readonly channel: Channel | undefined;
  /** As the agent reported it. */
  readonly pid: number | undefined;
  /** That the agent was started with: another process that has got its pid is left alone. */
  readonly marker: string | undefined;
  readonly killGraceMs: number;
}

/** Kills under way in this thread. */
const kills = new PendingWork();

/** Resolves when no kill is under way. */
export function killsOver(): Promise<void> {
  return kills.over();
}

/**
 * Resolves to whether the agent and what it runs are known to be gone, or to undefined where its transport kills none; in
 * KNOWN_WITHIN_MS, while the kill may go on. `warn` gets why it failed, whenever that is.
 */
export async function killAgent(agent: HungAgent, warn: (message: string) => void): Promise<boolean | undefined> {
  const { channel, pid, marker, killGraceMs } = agent;
  if (channel?.runBeside === undefined || pid === undefined || marker === undefined) return undefined;
  const hung = `the agent (process ${String(pid)}) does not answer`;
  const script = endScript([{ kind: 'agent', pid, marker }], killGraceMs);
  const killed = kills.add(firstWord(channel, script, killGraceMs)).then(
    word => {
      if (word !== 'gone') warn(`${hung}, and is not known to be gone with all that it ran`);
      return word === 'gone';
    },
    (error: unknown) => {
      warn(`${hung}, and could not be killed: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    },
  );
  const stop = new AbortController();
  const late = delay(KNOWN_WITHIN_MS, false, { signal: stop.signal }).catch(() => false); // aborted: no longer needed
  try {
    return await Promise.race([killed, late]);
  } finally {
    stop.abort();
  }
}

/** What the script said first of the agent, which counts; see end-script.ts. Rejects when that is nothing. */
async function firstWord(channel: Channel, script: string, killGraceMs: number): Promise<string> {
  const late = new AbortController();
  const timer = setTimeout(
    () => {
      late.abort(new Error('the drone did not say in time what became of it'));
    },
    Math.min(killGraceMs, LONGEST_GRACE_MS) + SCRIPT_MARGIN_MS,
  );
  let said = '';
  try {
    await channel.runBeside?.(
      script,
      chunk => {
        if (said.length < MOST_SAID_CHARS) said += Buffer.from(chunk).toString('latin1');
      },
      late.signal,
    );
  } finally {
    clearTimeout(timer);
  }
  const [, word] = /^\d+ (\w+)$/m.exec(said) ?? [];
  if (word === undefined)
    throw new Error(`the drone did not say what became of it: ${said.trim().slice(0, MOST_SAID_CHARS)}`);
  return word;
}
