/** From arguments and environment to an exit status: 0 done, 1 failed, 2 cannot start as it was told. */
import type { Log } from '../../log.js';
import { runClient } from './client-command.js';
import { type CommandLine, readCommandLine, USAGE } from './command-line.js';
import { addShard, migrateFarm, printToken } from './farm-commands.js';
import { lineLog } from './line-log.js';
import { runMaster } from './master-command.js';
import { readSettings, type Settings, strangersIn } from './settings.js';
import { stopOnSignals } from './stop.js';
import { UsageError } from './usage-error.js';

const [DONE, FAILED, CANNOT_START] = [0, 1, 2];

export async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  // Who reads the log may go; the heartbeats go on.
  process.stderr.on('error', () => undefined);
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
    return (await run(line, settings, log)) ? DONE : FAILED;
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`drone-shard: ${error.message}\n`);
      return CANNOT_START;
    }
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_INVALID_ARG') {
      process.stderr.write(`drone-shard: ${message}\n`);
      return CANNOT_START;
    }
    log.error(`drone-shard failed: ${message}`, { error });
    return FAILED;
  }
}

async function run(line: CommandLine, settings: Settings, log: Log): Promise<boolean> {
  const { command, hostname, once, rotate, labels } = line;
  switch (command) {
    case 'client':
      return runClient(settings, once, log, stopOnSignals(log));
    case 'master':
      await runMaster(settings, log, stopOnSignals(log));
      return true;
    case 'migrate':
      await migrateFarm(settings, log);
      return true;
    case 'add-shard':
      await addShard(settings, hostname, labels, log);
      return true;
    case 'token':
      await printToken(settings, hostname, rotate, log);
      return true;
    case 'help':
      return true;
    default:
      throw new TypeError(`no command: ${String(command satisfies never)}`);
  }
}

function formatOf(log: string): 'json' | 'text' {
  if (log === 'json' || log === 'text') return log;
  throw new UsageError(`log is '${log}', not json or text`);
}
