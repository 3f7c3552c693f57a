import { invalidArgument } from '../option/invalid-argument.js';
import { Option } from '../option/option-table.js';

/**
 * A logger, such as `console` or a winston logger. Wrap the methods of a logger that takes the fields first (pino). If
 * a method throws or returns a rejecting promise, the first error becomes a process warning (`process.emitWarning`,
 * code `DRONE_TASK_QUEUE_LOG`); later ones are dropped.
 */
export interface Log {
  /** Details, such as the progress of one batch. `fields` hold the facts that the message mentions. */
  debug(message: string, fields?: Record<string, unknown>): void;
  /** Normal operation. */
  info(message: string, fields?: Record<string, unknown>): void;
  /** Work continued despite a problem. */
  warn(message: string, fields?: Record<string, unknown>): void;
  /** Something failed. */
  error(message: string, fields?: Record<string, unknown>): void;
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

type Level = (typeof LEVELS)[number];
type LogMethod = Log[Level];

/** Drops everything: the default. */
export const silentLog: Log = logOf(() => () => undefined);

/** Reads a log that never throws; its lines begin with `part`, if there is one. */
export const logOption = (part?: string): Option<Log, Log> =>
  new Option(
    'a logger',
    given => {
      const log = safeLog(given as Log | undefined);
      return part === undefined ? log : partLog(log, part);
    },
    'silent',
  );

/** The settings of a named part: its log lines begin with the name, which is also their field `kind`. */
export function withNamedLog<S extends { readonly name: string; readonly log: Log }>(settings: S, kind: string): S {
  const { name, log } = settings;
  return { ...settings, log: partLog(log, name, { [kind]: name }) };
}

/** Wraps the caller's log so that it never throws. Throws a TypeError (`ERR_INVALID_ARG`) when a method is missing. */
export function safeLog(log: Log | undefined): Log {
  if (log === undefined) return silentLog;
  if (typeof log !== 'object' || log === null) {
    throw invalidArgument('log', log, 'an object with the methods debug, info, warn and error');
  }
  for (const level of LEVELS) {
    if (typeof log[level] !== 'function') throw invalidArgument(`log.${level}`, log[level], 'a function');
  }

  let warned = false;
  const onProblem = (error: unknown): void => {
    if (warned) return;
    warned = true;
    const detail = error instanceof Error ? error.stack : String(error);
    process.emitWarning('the log given to drone-task-queue throws; its lines are lost', {
      code: 'DRONE_TASK_QUEUE_LOG',
      ...(detail === undefined ? {} : { detail }),
    });
  };
  return logOf(level => (message, fields) => {
    try {
      // Typed void, but an unhandled rejection of an async method would end the process.
      const returned: unknown = fields === undefined ? log[level](message) : log[level](message, fields);
      if (returned instanceof Promise) returned.catch(onProblem);
    } catch (error) {
      onProblem(error);
    }
  });
}

/** Lines begin with `<part>: ` and their fields include `facts`. `log` must not throw. */
export function partLog(log: Log, part: string, facts: Record<string, unknown> = {}): Log {
  if (log === silentLog) return log;
  return logOf(level => (message, fields) => log[level](`${part}: ${message}`, { ...facts, ...fields }));
}

function logOf(method: (level: Level) => LogMethod): Log {
  return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
}
