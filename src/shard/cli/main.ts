/** Runs a command. Exit status 1 means failure; 2 means wrong arguments or settings. */
import { constants } from 'node:os';
import type { Log } from '../../report/log.js';
import { StoreError } from '../../store/store-error.js';
import { MasterError } from '../wire/master-error.js';
import { type CommandLine, readCommandLine, USAGE } from './command-line.js';
import { lineLog } from './line-log.js';
import { warnIfOpen } from './named-file.js';
import { readSettings, type Settings, strangersIn, UsageError, variableOf } from './settings.js';

const [DONE, FAILED, CANNOT_START] = [0, 1, 2];

export async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  // The heartbeats go on without a reader of the log.
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', () => undefined);
  let log = lineLog('text');
  let packages: readonly string[] = [];
  try {
    const line = readCommandLine(args);
    if (line.command === 'help') {
      process.stdout.write(USAGE);
      return DONE;
    }
    const settings = await readSettings(line.config, env);
    packages = packagesOf(line, settings);
    log = lineLog(formatOf(line.log ?? settings.log ?? 'text'));
    for (const name of strangersIn(env)) log.warn(`unknown setting ${name}`);
    if (line.config !== undefined && settings.storeUrl !== undefined && !env[variableOf('storeUrl')]) {
      await warnIfOpen(line.config, 'a configuration with storeUrl', log);
    }
    return (await run(line, settings, log)) ? DONE : FAILED;
  } catch (error) {
    const complaint = complaintAbout(error, packages);
    if (complaint !== undefined) {
      process.stderr.write(`drone-shard: ${complaint}\n`);
      return CANNOT_START;
    }
    const { code, message } = error as NodeJS.ErrnoException;
    // These errors explain themselves without a stack.
    const isKnown = error instanceof MasterError || error instanceof StoreError;
    log.error(`drone-shard failed: ${message}`, isKnown ? { code } : { error });
    return FAILED;
  }
}

/** Each command loads only the packages that it needs. */
async function run(line: CommandLine, settings: Settings, log: Log): Promise<boolean> {
  const { command, options } = line;
  if (command === 'client') {
    const stop = stopOnSignals(log);
    const { runClient } = await import('./client-command.js');
    return runClient(settings, options.once === true, log, stop);
  }
  if (command === 'master') {
    const stop = stopOnSignals(log);
    const { runMaster } = await import('./master-command.js');
    await runMaster(settings, log, stop);
    return true;
  }
  if (command.startsWith('list-')) {
    const { listFarm } = await import('./list-commands.js');
    await listFarm(line, settings, log);
    return true;
  }
  const { changeFarm, migrateFarm } = await import('./farm-commands.js');
  await (command === 'migrate' ? migrateFarm(settings, log) : changeFarm(line, settings, log));
  return true;
}

/** Optional peers that a command needs. */
function packagesOf({ command }: CommandLine, { storeUrl }: Settings): string[] {
  const ofMaster = command === 'master' ? ['fastify'] : [];
  return ['kysely', 'typebox', ...ofMaster, ...(storeUrl === undefined ? [] : ['pg'])];
}

/** The message for the user's own mistakes, which include missing ones of `packages`; undefined for other errors. */
function complaintAbout(error: unknown, packages: readonly string[]): string | undefined {
  if (error instanceof UsageError) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_INVALID_ARG') return message;
  const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'ERR_PACKAGE_MISSING' ? packages.filter(isMissing) : [];
  if (missing.length === 0) return code === 'ERR_PACKAGE_MISSING' ? message : undefined;
  const what = missing.length === 1 ? 'the package' : 'the packages';
  return `needs ${what} ${missing.join(', ')}: npm install ${missing.join(' ')}`;
}

function isMissing(name: string): boolean {
  try {
    import.meta.resolve(name);
    return false;
  } catch {
    return true;
  }
}

function formatOf(log: string): 'json' | 'text' {
  if (log === 'json' || log === 'text') return log;
  throw new UsageError(`log is '${log}', not json or text`);
}

/** Aborted by the first SIGINT or SIGTERM; the second one ends the process. */
function stopOnSignals(log: Log): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // Safe at any time: every section is one transaction.
      if (stop.signal.aborted) process.exit(128 + constants.signals[name]);
      log.info(`${name}: stopping; a second signal ends at once`);
      stop.abort(new Error(`stopped by ${name}`));
    });
  }
  return stop.signal;
}
