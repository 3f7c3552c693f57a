/** What `drone-shard` was told by its arguments. */
import { parseArgs } from 'node:util';
import { UsageError } from './usage-error.js';

export const USAGE = `drone-shard <command> [--config <file>] [--log json|text]

  client [--once]       heartbeats to the master until SIGINT or SIGTERM, or does one: exits with 0 if that went well
  master                takes shards' heartbeats until SIGINT or SIGTERM; prints where it listens
  migrate               makes the farm's tables in the store, or brings them up to date
  add-shard <hostname> [--label <name>]...
                        on the master's store: a shard that takes hosts and jobs with these labels, made where missing
  token <hostname> [--rotate]
                        on the master's store: prints a new token of a shard; with --rotate its old ones are void

Settings are in the configuration, which is JSON, or in the environment. No secret is taken from the command line.
`;

const COMMANDS = ['client', 'master', 'migrate', 'add-shard', 'token'] as const;

export interface CommandLine {
  readonly command: (typeof COMMANDS)[number] | 'help';
  /** The shard that `add-shard` and `token` are about. */
  readonly hostname: string;
  readonly config: string | undefined;
  readonly log: string | undefined;
  readonly once: boolean;
  readonly rotate: boolean;
  readonly labels: readonly string[];
}

/** Options that not all commands have. */
const ONLY_OF: Readonly<Record<string, CommandLine['command']>> = {
  once: 'client',
  label: 'add-shard',
  rotate: 'token',
};

/** Throws UsageError. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parse(args);
  const [given, hostname = '', ...more] = positionals;
  const command = values.help === true ? 'help' : COMMANDS.find(name => name === given);
  if (command === undefined) {
    throw new UsageError(
      given === undefined ? 'a command is missing' : `'${given}' is no command: ${COMMANDS.join(', ')}`,
    );
  }
  for (const name of Object.keys(values)) {
    const only = ONLY_OF[name];
    if (only !== undefined && command !== only && command !== 'help') {
      throw new UsageError(`--${name} is an option of ${only}, not of ${command}`);
    }
  }
  const needsHostname = command === 'add-shard' || command === 'token';
  if (needsHostname && hostname === '') throw new UsageError(`${command} needs the hostname of a shard`);
  const [extra] = needsHostname || hostname === '' ? more : [hostname];
  if (extra !== undefined) throw new UsageError(`'${extra}' is too much`);
  const { config, log, once = false, rotate = false, label: labels = [] } = values;
  return { command, hostname, config, log, once, rotate, labels };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        log: { type: 'string' },
        once: { type: 'boolean' },
        rotate: { type: 'boolean' },
        label: { type: 'string', multiple: true },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
