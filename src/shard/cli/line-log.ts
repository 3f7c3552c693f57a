/** Log lines on stderr, as text or JSON. */
import { inspect } from 'node:util';
import type { Log } from '../../report/log.js';
import { HeartbeatError } from '../wire/heartbeat-error.js';

type Level = 'info' | 'warn' | 'error';
type Line = (level: Level, message: string, fields: Record<string, unknown>) => string;

/** Drops debug lines. */
export function lineLog(format: 'json' | 'text'): Log {
  const line = format === 'json' ? jsonLine : textLine;
  const on =
    (level: Level) =>
    (message: string, fields: Record<string, unknown> = {}): void => {
      process.stderr.write(`${line(level, message, fields)}\n`);
    };
  return { debug: () => undefined, info: on('info'), warn: on('warn'), error: on('error') };
}

/** One line, with an error's stack below, except for a failed heartbeat, for which the code is not to blame. */
const textLine: Line = (level, message, { error }) => {
  const head = `${new Date().toISOString()} ${level} ${message.replaceAll(/\s*\n\s*/g, ' ')}`;
  const hasStack = level === 'error' && error !== undefined && !(error instanceof HeartbeatError);
  return hasStack ? `${head}\n${inspect(error)}` : head;
};

const jsonLine: Line = (level, message, fields) => {
  const head = { time: new Date().toISOString(), level, message };
  try {
    return JSON.stringify({ ...head, ...fields, ...head }, plain);
  } catch {
    // A field that refers to itself.
    return JSON.stringify({ ...head, fields: inspect(fields) });
  }
};

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (!(value instanceof Error)) return value;
  const { name, message, stack, cause, errors } = value as Error & { errors?: unknown };
  // Other properties of an error may hold received bytes.
  const facts = Object.entries(value).filter(([, fact]) => ['string', 'number', 'boolean'].includes(typeof fact));
  return { ...Object.fromEntries(facts), name, message, stack, cause, errors };
}
