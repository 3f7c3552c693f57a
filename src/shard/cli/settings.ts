/** Settings of `drone-shard`, from a JSON file and the environment, which has priority. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { suggestion } from '../../option/near-name.js';

/** Wrong arguments, configuration or environment, which the user has to correct. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Paths in the file are relative to the file. */
type Kind = 'text' | 'path' | 'number';

const FIELDS = {
  shardHostname: 'text',
  masterUrl: 'text',
  tokenFile: 'path',
  storeFile: 'path',
  storeUrl: 'text',
  caFile: 'path',
  certFile: 'path',
  keyFile: 'path',
  host: 'text',
  port: 'number',
  trustProxy: 'text',
  pauseMs: 'number',
  maxBackoffMs: 'number',
  maxUploadJobs: 'number',
  maxUploadBytes: 'number',
  lifetimeMs: 'number',
  timeoutMs: 'number',
  maxReplyBytes: 'number',
  maxPacketBytes: 'number',
  heartbeatsPerMinute: 'number',
  maxJobsPerReply: 'number',
  maxHostsPerReply: 'number',
  statsHost: 'text',
  statsPort: 'number',
  statsPrefix: 'text',
  log: 'text',
} as const satisfies Record<string, Kind>;

type Fields = typeof FIELDS;
export type Field = keyof Fields;

export type Settings = {
  readonly [F in Field]?: (Fields[F] extends 'number' ? number : string) | undefined;
} & {
  /** From the environment only, because other users may be able to read the configuration. */
  readonly token?: string | undefined;
};

const NAMES = Object.keys(FIELDS) as Field[];
const PREFIX = 'DRONE_SHARD_';
const TOKEN = `${PREFIX}TOKEN`;
/** JSON has no number for it. The options check which settings must be finite. */
const ENDLESS = 'Infinity';
/** Pairs: either one in the environment replaces the other in the file. */
const EITHER: readonly (readonly [string, string])[] = [
  ['storeFile', 'storeUrl'],
  ['token', 'tokenFile'],
];

/** `pauseMs` is `DRONE_SHARD_PAUSE_MS`. */
export function variableOf(field: Field): string {
  const words = field.replace(/^shard/, '').replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_');
  return `${PREFIX}${words.toUpperCase()}`;
}

/** Unknown variables with the prefix of settings, each with the name that may have been meant. */
export function strangersIn(env: NodeJS.ProcessEnv): string[] {
  const known = [...NAMES.map(variableOf), TOKEN];
  const strangers = Object.keys(env).filter(name => name.startsWith(PREFIX) && !known.includes(name));
  return strangers.map(name => `${name}${suggestion(name, known)}`);
}

/** Throws a UsageError, which names the field or variable and shows no secret. */
export async function readSettings(file: string | undefined, env: NodeJS.ProcessEnv): Promise<Settings> {
  const fromFile = file === undefined ? {} : await readConfiguration(file);
  const fromEnv = readEnvironment(env);
  const replaced = EITHER.flatMap(([one, other]) => [
    ...(one in fromEnv ? [other] : []),
    ...(other in fromEnv ? [one] : []),
  ]);
  const kept = Object.entries(fromFile).filter(([name]) => !replaced.includes(name));
  return { ...Object.fromEntries(kept), ...fromEnv };
}

async function readConfiguration(file: string): Promise<Record<string, string | number>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`the configuration cannot be read: ${(error as Error).message}`);
  }
  const given = parseConfiguration(file, text);
  const folder = dirname(resolve(file));
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const kind = (FIELDS as Readonly<Record<string, Kind>>)[name];
      if (!Object.hasOwn(FIELDS, name) || kind === undefined) {
        const hint = suggestion(name, NAMES) || `, expected one of ${NAMES.join(', ')}`;
        const why = name === 'token' ? `: it is a secret, for ${TOKEN} or tokenFile` : hint;
        throw new UsageError(`${file}: unknown setting ${JSON.stringify(name)}${why}`);
      }
      if (kind === 'number' && value === ENDLESS) return [name, Infinity];
      const expected = kind === 'number' ? 'number' : 'string';
      if (typeof value !== expected || value === '') {
        throw new UsageError(`${file}: ${name} is ${value === '' ? 'empty' : typeof value}, not a ${expected}`);
      }
      return [name, kind === 'path' ? resolve(folder, value as string) : (value as string | number)];
    }),
  );
}

function parseConfiguration(file: string, text: string): object {
  try {
    const given: unknown = JSON.parse(text);
    if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given;
  } catch (error) {
    // The error's own message would quote the file.
    const position = /position \d+/.exec((error as Error).message)?.[0];
    throw new UsageError(`${file} is not valid JSON${position === undefined ? '' : `, at ${position}`}`);
  }
  throw new UsageError(`${file} is not a JSON object`);
}

function readEnvironment(env: NodeJS.ProcessEnv): Record<string, string | number> {
  const read: Record<string, string | number> = {};
  for (const name of NAMES) {
    const variable = variableOf(name);
    const value = env[variable];
    if (value === undefined || value === '') continue;
    read[name] = FIELDS[name] === 'number' ? numberIn(variable, value) : value;
  }
  if (env[TOKEN]) read['token'] = env[TOKEN];
  return read;
}

function numberIn(variable: string, text: string): number {
  if (text === ENDLESS) return Infinity;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new UsageError(`${variable} is ${JSON.stringify(text)}, not a number`);
}
