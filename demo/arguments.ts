/** What the demo can be told on the command line. */
import { parseArgs } from 'node:util';

export const USAGE = `npm run demo [-- options]

Without --host: this machine and six drones behind SSH servers of the demo's own, some of which go wrong as planned.

  --host [user@]host[:port]  a drone, instead of those; may be repeated; 'localhost' alone is this machine without SSH
  --identity path            private key for all of them; default: what ssh-agent offers
  --known-hosts path         their host keys; default: ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts
  --agent-command text       starts Node on them; default: node
  --ticks n                  how many ticks; default: 6
  --help                     this text

SIGUSR2 shows which drones are waited for, in which phase and since when. SIGINT or SIGTERM cancels the round, shows what
has arrived, closes the queue and ends; a second one ends at once.`;

/** A host as the user named it. */
export interface GivenHost {
  /** Without the user: what the table shows. */
  readonly hostname: string;
  readonly host: string;
  readonly user: string | undefined;
  readonly port: number | undefined;
}

export interface DemoArguments {
  readonly help: boolean;
  readonly hosts: readonly GivenHost[];
  readonly identity: string | undefined;
  readonly knownHosts: string | undefined;
  readonly agentCommand: string | undefined;
  readonly ticks: number;
}

/** The user asked for what cannot be; the message is for the user. */
export class UsageError extends Error {}

const DEFAULT_TICKS = 6;

/** Throws UsageError. */
export function readArguments(args: readonly string[]): DemoArguments {
  const { help = false, host = [], identity, ticks, ...paths } = parse(args);
  const hosts = host.map(readHost);
  const twice = hosts.find(({ hostname }, at) => hosts.findIndex(other => other.hostname === hostname) < at);
  if (twice) throw new UsageError(`--host: ${twice.hostname} is given twice`);
  const knownHosts = paths['known-hosts'];
  const agentCommand = paths['agent-command'];
  const forHosts = Object.entries({ identity, 'known-hosts': knownHosts, 'agent-command': agentCommand });
  const useless = forHosts.find(([, value]) => value !== undefined && hosts.length === 0);
  if (useless) throw new UsageError(`--${useless[0]} is for hosts given with --host, and there are none`);
  return {
    help,
    hosts,
    identity,
    knownHosts,
    agentCommand,
    ticks: ticks === undefined ? DEFAULT_TICKS : readTicks(ticks),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean' },
        host: { type: 'string', multiple: true },
        identity: { type: 'string' },
        'known-hosts': { type: 'string' },
        'agent-command': { type: 'string' },
        ticks: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ', 1)[0], { cause: error });
  }
}

function readTicks(text: string): number {
  const ticks = Number(text);
  if (/^\d+$/.test(text) && ticks >= 1 && ticks <= 1000) return ticks;
  throw new UsageError(`--ticks: expected a whole number from 1 to 1000, got '${text}'`);
}

function readHost(text: string): GivenHost {
  const parts = /^(?:([^@\s]+)@)?(?:\[([^\]@\s]+)\]|([^:[\]@/\s]+))(?::(\d{1,5}))?$/.exec(text);
  const host = parts?.[2] ?? parts?.[3];
  const port = parts?.[4] === undefined ? undefined : Number(parts[4]);
  if (!parts || host === undefined || port === 0 || (port ?? 1) > 65_535) {
    throw new UsageError(`--host: expected [user@]host[:port], got '${text}'`);
  }
  return { hostname: port === undefined ? host : `${host}:${String(port)}`, host, user: parts[1], port };
}
