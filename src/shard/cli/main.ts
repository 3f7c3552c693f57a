/** From arguments and environment to an exit status: 0 done, 1 failed, 2 cannot start as it was told. */
import type { Log } from '../../report/log.js';
import { StoreError } from '../../store/store-error.js';
import { MasterError } from '../wire/master-error.js';
import { type CommandLine, readCommandLine, USAGE } from './command-line.js';
import { lineLog } from './line-log.js';
import { warnIfOpen } from './named-file.js';
import { readSettings, type Settings, strangersIn, variableOf } from './settings.js';
import { stopOnSignals } from './stop.js';
import { UsageError } from './usage-error.js';

const [DONE, FAILED, CANNOT_START] = [0, 1, 2];

export async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  // Who reads the log may go; the heartbeats go on.
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', () => undefined);
  let log = lineLog('text');
  try {
    const line = readCommandLine(args);
    if (line.command === 'help') {
      process.stdout.write(USAGE);
      return DONE;
    }
    const settings = await readSettings(line.config, env);
    log = lineLog(formatOf(line.log ?? settings.log ?? 'text'));
    for (const name of strangersIn(env)) log.warn(`${name} is none of the settings`);
    if (line.config !== undefined && settings.storeUrl !== undefined && !env[variableOf('storeUrl')]) {
      await warnIfOpen(line.config, 'a configuration with storeUrl', log);
    }
    return (await run(line, settings, log)) ? DONE : FAILED;
  } catch (error) {
    const complaint = complaintAbout(error);
    if (complaint !== undefined) {
      process.stderr.write(`drone-shard: ${complaint}\n`);
      return CANNOT_START;
    }
    const { code, message } = error as NodeJS.ErrnoException;
    // Where one was refused for a reason, its stack is none.
    const isKnown = error instanceof MasterError || error instanceof StoreError;
    log.error(`drone-shard failed: ${message}`, isKnown ? { code } : { error });
    return FAILED;
  }
}

/** Each command loads what it needs, and the packages of no other. */
async function run(line: CommandLine, settings: Settings, log: Log): Promise<boolean> {
  const { command, hostname, once, rotate, labels } = line;
  switch (command) {
    case 'client': {
      const stop = stopOnSignals(log);
      const { runClient } = await import('./client-command.js');
      return runClient(settings, once, log, stop);
    }
    case 'master': {
      const stop = stopOnSignals(log);
      const { runMaster } = await import('./master-command.js');
      await runMaster(settings, log, stop);
      return true;
    }
    case 'migrate': {
      const { migrateFarm } = await import('./farm-commands.js');
      await migrateFarm(settings, log);
      return true;
    }
    case 'add-shard': {
      const { addShard } = await import('./farm-commands.js');
      await addShard(settings, hostname, labels, log);
      return true;
    }
    case 'token': {
      const { printToken } = await import('./farm-commands.js');
      await printToken(settings, hostname, rotate, log);
      return true;
    }
    case 'help':
      return true;
    default:
      throw new TypeError(`no command: ${String(command satisfies never)}`);
  }
}

/** Of what a person has to put right; undefined for all else. */
function complaintAbout(error: unknown): string | undefined {
  if (error instanceof UsageError) return error.message;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ERR_INVALID_ARG' || code === 'ERR_PACKAGE_MISSING') return message;
  const missing = code === 'ERR_MODULE_NOT_FOUND' ? /'(kysely|typebox)/.exec(message)?.[1] : undefined;
  return missing === undefined ? undefined : `needs the package ${missing}: npm install ${missing}`;
}

function formatOf(log: string): 'json' | 'text' {
  if (log === 'json' || log === 'text') return log;
  throw new UsageError(`log is '${log}', not json or text`);
}
