/** Where log lines go: the caller's logger, or nowhere. */
import { invalidArgument } from '../option/invalid-argument.js';
import { Option } from '../option/option-table.js';

/**
 * A logger: `console` is one, winston's loggers are too. For those that take the fields first (pino), wrap each method.
 * A logger that throws, or whose methods return rejecting promises, changes nothing: the first such error becomes a
 * process warning (`process.emitWarning`, code `DRONE_TASK_QUEUE_LOG`), later ones are dropped.
 */
export interface Log {
  /** What helps to follow one batch. `fields` hold the facts that the message names. */
  debug(message: string, fields?: Record<string, unknown>): void;
  /** The ordinary course of things. */
  info(message: string, fields?: Record<string, unknown>): void;
  /** What went on in spite of something. */
  warn(message: string, fields?: Record<string, unknown>): void;
  /** What failed. */
  error(message: string, fields?: Record<string, unknown>): void;
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/** Drops everything: the default. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** An option that is read as a log which never throws; its lines begin with `part`, if there is one. */
export const logOption = (part?: string): Option<Log, Log> =>
  new Option(
    'a logger',
    given => {
      const log = safeLog(given as Log | undefined);
      return part === undefined ? log : partLog(log, part);
    },
    'silent',
  );

/** The settings of a part that has a name: lines of its log begin with it, and `kind` is the field that holds it. */
export function withNamedLog<S extends { readonly name: string; readonly log: Log }>(settings: S, kind: string): S {
  const { name, log } = settings;
  return { ...settings, log: partLog(log, name, { [kind]: name }) };
}

/**
 * A log that never throws, around the caller's; silent without one.
 * Throws TypeError (`ERR_INVALID_ARG`) when a method is missing.
 */
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
  const guard =
    (level: (typeof LEVELS)[number]) =>
    (message: string, fields?: Record<string, unknown>): void => {
      try {
        // Typed void, but an async method's promise would be nobody's, and its rejection the end of the process.
        const given: unknown = fields === undefined ? log[level](message) : log[level](message, fields);
        if (given instanceof Promise) given.catch(onProblem);
      } catch (error) {
        onProblem(error);
      }
    };
  return { debug: guard('debug'), info: guard('info'), warn: guard('warn'), error: guard('error') };
}

/** The log of one part: its lines begin with `<part>: `, and their fields include `facts`. `log` must not throw. */
export function partLog(log: Log, part: string, facts: Record<string, unknown> = {}): Log {
  if (log === silentLog) return log;
  const of =
    (level: (typeof LEVELS)[number]) =>
    (message: string, fields?: Record<string, unknown>): void =>
      log[level](`${part}: ${message}`, { ...facts, ...fields });
  return { debug: of('debug'), info: of('info'), warn: of('warn'), error: of('error') };
}
