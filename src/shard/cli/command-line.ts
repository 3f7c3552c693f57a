/** The arguments of `drone-shard`. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { suggestion } from '../../option/near-name.js';
import { oneLine } from '../../report/untrusted-text.js';
import { UsageError } from './settings.js';

export const USAGE = `drone-shard <command> [--config <file>] [--log json|text]

  client [--once]       sends heartbeats to the master until SIGINT or SIGTERM; with --once sends one, reports the outcome,
                        and exits with 0 if it succeeded
  master                answers shards' heartbeats until SIGINT or SIGTERM; prints where it listens
  migrate               creates the farm's tables in the store, or brings them up to date

On the master's store, whether or not the master is running:

  add-shard <hostname> [--label <name>]...
                        adds a shard that gets hosts and jobs with these labels; missing labels are created
  token <hostname> [--rotate]
                        prints a new token for a shard; with --rotate its old ones are revoked
  add-host <hostname> [--label <name>]... [--attribute <name>=<value>]...
                        adds a host; missing labels are created
  add-job <name> --command <text> [--host <hostname>]... [--meta-host <label>]... [--label <name>]...
          [--owner <login>] [--priority <number>] [--parent <job>] [--keyval <name>=<value>]...
                        adds a job and prints its number; the job has an entry for each --host and for each --meta-host
                        (any host with that label); its hosts need each --label; without --owner the owner is you
  abort-job <job>       aborts a job: its shard learns of it with the next heartbeat

On the store of a master or of a shard; --json prints one object per line:

  list-shards [--json]
  list-hosts [--shard <hostname> | --unassigned] [--label <name>] [--json]
  list-jobs [--shard <hostname> | --unassigned] [--owner <login>] [--open] [--json]
                        with --open only jobs that are not complete
  list-entries <job> [--json]

Settings are in the configuration, which is JSON, or in the environment. Secrets cannot be given on the command line.
`;

const OPTIONS = {
  config: { type: 'string' },
  log: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  once: { type: 'boolean' },
  rotate: { type: 'boolean' },
  json: { type: 'boolean' },
  open: { type: 'boolean' },
  unassigned: { type: 'boolean' },
  command: { type: 'string' },
  owner: { type: 'string' },
  parent: { type: 'string' },
  priority: { type: 'string' },
  shard: { type: 'string' },
  attribute: { type: 'string', multiple: true },
  host: { type: 'string', multiple: true },
  keyval: { type: 'string', multiple: true },
  label: { type: 'string', multiple: true },
  'meta-host': { type: 'string', multiple: true },
} as const satisfies NonNullable<ParseArgsConfig['options']>;

type Name = keyof typeof OPTIONS;

interface Rule {
  /** What its one argument is, if it takes one. */
  readonly argument?: string;
  readonly options?: readonly Name[];
}

const SHARD = 'the hostname of a shard';
const JOB = 'the number of a job';

const RULES = {
  client: { options: ['once'] },
  master: {},
  migrate: {},
  'add-shard': { argument: SHARD, options: ['label'] },
  token: { argument: SHARD, options: ['rotate'] },
  'add-host': { argument: 'the hostname of a host', options: ['label', 'attribute'] },
  'add-job': {
    argument: 'the name of a job',
    options: ['command', 'host', 'meta-host', 'label', 'owner', 'priority', 'parent', 'keyval'],
  },
  'abort-job': { argument: JOB },
  'list-shards': { options: ['json'] },
  'list-hosts': { options: ['shard', 'unassigned', 'label', 'json'] },
  'list-jobs': { options: ['shard', 'unassigned', 'owner', 'open', 'json'] },
  'list-entries': { argument: JOB, options: ['json'] },
} as const satisfies Readonly<Record<string, Rule>>;

type Command = keyof typeof RULES;
const COMMANDS = Object.keys(RULES) as Command[];

type Values = ReturnType<typeof parse>['values'];

export interface CommandLine {
  readonly command: Command | 'help';
  /** The command's argument, empty for a command without one. */
  readonly argument: string;
  readonly config: string | undefined;
  readonly log: string | undefined;
  /** The command's own options. */
  readonly options: Omit<Values, 'config' | 'log' | 'help'>;
}

/** Throws a UsageError. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parse(args);
  const { config, log, help, ...options } = values;
  if (help === true) return { command: 'help', argument: '', config, log, options };
  const [given, ...others] = positionals;
  const command = commandOf(given);
  const rule: Rule = RULES[command];
  for (const name of Object.keys(options)) {
    if (rule.options?.includes(name as Name) === true) continue;
    const users = COMMANDS.filter(user => (RULES[user] as Rule).options?.includes(name as Name));
    throw new UsageError(`--${name} is an option of ${users.join(', ')}, not of ${command}`);
  }
  const [argument = '', ...more] = rule.argument === undefined ? ['', ...others] : others;
  if (rule.argument !== undefined && argument === '') throw new UsageError(`${command} needs ${rule.argument}`);
  if (more[0] !== undefined) throw new UsageError(`'${more[0]}' is too much`);
  return { command, argument, config, log, options };
}

function commandOf(given: string | undefined): Command {
  if (given === undefined) throw new UsageError('a command is missing: see drone-shard --help');
  const command = COMMANDS.find(name => name === given);
  if (command !== undefined) return command;
  throw new UsageError(
    `unknown command '${given}'${suggestion(given, COMMANDS)}, expected one of ${COMMANDS.join(', ')}`,
  );
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  } catch (error) {
    const { message } = error as Error;
    const option = /^Unknown option '(--?[^']+)'/.exec(message)?.[1];
    // Some of its other messages have several lines.
    if (option === undefined) throw new UsageError(oneLine(message));
    const near = suggestion(option.replace(/^-+/, ''), Object.keys(OPTIONS));
    throw new UsageError(`unknown option '${oneLine(option)}'${near}: see drone-shard --help`);
  }
}
