/** Turns a caller's options into a complete, checked spec of plain data: all that a thread needs to reach the drone. */
import { userInfo } from 'node:os';
import { MAX_LIMIT_MS } from '../../../wait/clock.js';
import { fingerprintOf } from '../fingerprint.js';
import { expandHome } from '../../../option/home.js';
import { invalidArgument } from '../../../option/invalid-argument.js';
import type { EndpointSpec } from '../../wire/messages.js';
import {
  checked,
  environment,
  flag,
  integer,
  moduleUrl,
  oneOf,
  secret,
  text,
  texts,
  timeLimit,
} from '../../../option/option-kinds.js';
import { checkNames, Option, readOptions, type Table } from '../../../option/option-table.js';
import { ALGORITHM_LISTS, type AlgorithmOptions } from './algorithms.js';
import { HOST } from './host-name.js';
import { ANSWERS, type AnswerOptions, type Asks, asksOf } from './prompt-answers.js';

/**
 * Which host keys are trusted. `strict`: those in the known_hosts files. `accept-new`: also the first key seen of a
 * host without a recorded key, which is then added to the first file. `fingerprints`: only keys with one of the given
 * SHA256 fingerprints, as `ssh-keygen -l` prints them (the files are then not read).
 */
export type HostKeys = 'strict' | 'accept-new' | { readonly fingerprints: readonly string[] };

/**
 * Whether an agent runs the drone's calls. `node`: an agent, for which the drone needs Node. `auto`: an agent if Node
 * is found, otherwise as with `none`. `none`: each call runs as a separate command; built-in methods only.
 */
export type AgentUse = 'node' | 'auto' | 'none';

export interface SshPoint extends AlgorithmOptions {
  /** The caller's name of the host; known_hosts entries under it count too. */
  readonly hostname: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Paths of private keys, tried in this order. */
  readonly identity: readonly string[];
  readonly passphrase?: string | undefined;
  readonly password?: string | undefined;
  readonly asks?: Asks | undefined;
  readonly agentSocket?: string | undefined;
  /** Of the ssh-agent's keys, use only those in `identity`. */
  readonly identitiesOnly: boolean;
  readonly hostKeys: HostKeys;
  /** Paths; missing files count as empty. */
  readonly knownHosts: readonly string[];
  /** The only name to look the server up by there. */
  readonly hostKeyAlias?: string | undefined;
  /** Paths of lists of host keys that are refused. */
  readonly revokedHostKeys: readonly string[];
  readonly minRsaBits?: number | undefined;
  readonly addressFamily?: 4 | 6 | undefined;
  readonly keepaliveIntervalMs?: number | undefined;
  readonly keepaliveCount?: number | undefined;
}

/** A hop. Those with the same key and path share one connection. */
export interface SshHop extends SshPoint {
  readonly key: string;
}

/** Plain data; `key` shows no secret. */
export interface SshEndpointSpec extends EndpointSpec, SshPoint {
  readonly transport: 'ssh';
  readonly hostname: string;
  /** Starts Node on the drone; text for the login shell. */
  readonly agentCommand: string;
  readonly agent: AgentUse;
  /** Outermost first: this machine connects to that one. */
  readonly hops: readonly SshHop[];
}

/**
 * How to reach a drone over SSH. Unless these options name more, only the known_hosts file is read from `~/.ssh`, and
 * only `SSH_AUTH_SOCK` from the environment.
 *
 * @typeParam Hop The type of a hop that is not a string.
 */
export interface SshOptions<Hop> extends AnswerOptions, AlgorithmOptions {
  /** Address to connect to: a name or an IP address. Default: the drone's hostname. */
  host?: string | undefined;
  /** Default 22. */
  port?: number | undefined;
  /** Login name. Default: the name of the user who runs this process. */
  user?: string | undefined;
  /**
   * Paths of private keys, tried in this order before any other credential. `~/` is the home directory. An unusable
   * file is skipped, and named in the error if the login fails. Default: none, not even the keys that `ssh` tries.
   */
  identity?: string | readonly string[] | undefined;
  /**
   * Tried after the keys; also the answer to a keyboard-interactive login with a single prompt that does not echo, if
   * the server accepts passwords in no other way. Never sent to a hop that is given as a string. Default: none.
   */
  password?: string | undefined;
  /** Path of an ssh-agent's socket; `false` for none. Its keys are tried after `identity`. Default: `SSH_AUTH_SOCK`. */
  agentSocket?: string | false | undefined;
  /**
   * Whether to use only those of the ssh-agent's keys that `identity` names (by the private or the public file).
   * Default false.
   */
  identitiesOnly?: boolean | undefined;
  /** Checked before any credential is sent. Default `strict`. */
  hostKeys?: HostKeys | undefined;
  /**
   * Paths of known_hosts files; `accept-new` adds to the first. Default: `~/.ssh/known_hosts` and
   * `/etc/ssh/ssh_known_hosts`.
   */
  knownHosts?: string | readonly string[] | undefined;
  /** The only name under which to look up and record the host key. Default: `host`, then the drone's hostname. */
  hostKeyAlias?: string | undefined;
  /**
   * Paths of lists of revoked host keys, which are always refused, even if pinned: public keys, one per line, or an
   * OpenSSH key revocation list (`ssh-keygen -k`). If a file cannot be read, every host is refused. Default: none.
   */
  revokedHostKeys?: string | readonly string[] | undefined;
  /** RSA keys with fewer bits are refused as host keys and not offered at logins. Default: no limit. */
  minRsaBits?: number | undefined;
  /** Connects only to IPv4 (4) or IPv6 (6) addresses; without effect behind a hop. Default: both. */
  addressFamily?: 4 | 6 | undefined;
  /**
   * Jump hosts, outermost first: drones, or strings `[user@]host[:port]` (an IPv6 address in brackets). Such a string
   * takes `identity`, `passphrase`, `agentSocket`, `identitiesOnly`, `hostKeys`, `knownHosts`, `revokedHostKeys`,
   * `minRsaBits`, `addressFamily`, the keepalive and the algorithms from this drone, and nothing else: its user is the
   * user who runs this process, as with `ssh -J`.
   */
  via?: string | Hop | readonly (string | Hop)[] | undefined;
  /** The user's own utility module: self-contained, a `file:` or `data:` URL. */
  utility?: URL | undefined;
  /** Added to the environment of the drone's commands. */
  env?: Readonly<Record<string, string>> | undefined;
  /**
   * Whether to start an agent on the drone, which needs Node there. `node`: always. `auto`: if Node is found. `none`:
   * never. Without an agent, the built-in methods run as shell scripts; a batch that calls your own methods fails with
   * kind `call` before any of it runs. Default `node`.
   */
  agent?: AgentUse | undefined;
  /** Trusted shell command that starts Node on the drone: a path, or a wrapper with arguments. Default `node`. */
  agentCommand?: string | undefined;
  /**
   * From the connection's start until the drone's agent is ready, over all hops, ms; `Infinity` for no limit. Time
   * spent waiting for `passphrase` or `keyboardInteractive` counts. Default: the queue's `connectTimeoutMs`.
   */
  connectTimeoutMs?: number | undefined;
  /** How often to check that server and agent still answer, ms; `Infinity` for never. Default: the queue's. */
  keepaliveIntervalMs?: number | undefined;
  /** Intervals without an answer after which the connection counts as lost. Default: the queue's. */
  keepaliveCount?: number | undefined;
}

const ALIAS = text(
  'a host name or an IP address without brackets',
  name => name.length <= 255 && /^[^\s\0-\x1f\x7f@/[\]]+$/.test(name),
);
const PORT = integer({ from: 1, to: 65_535 }).or(22);
const limit = (): Option<number> => timeLimit().as(limitMs => (limitMs > MAX_LIMIT_MS ? Infinity : limitMs));
const paths = (...absent: string[]): Option<string | readonly string[], string[]> =>
  texts()
    .or(absent)
    .as(list => list.map(expandHome));
const HOST_KEYS_EXPECTED = "'strict', 'accept-new' or { fingerprints: ['SHA256:…'] }";
const VIA_EXPECTED = "an SshDrone, a string '[user@]host[:port]', or a list of them";

export const SSH = {
  host: HOST,
  port: PORT,
  user: text().orElse("this process's user", () => userInfo().username),
  identity: paths(),
  ...ANSWERS,
  password: secret(),
  agentSocket: new Option<string | false, string | undefined>(
    'the path of a socket, or false',
    agentSocketOf,
    'SSH_AUTH_SOCK',
  ),
  identitiesOnly: flag().or(false),
  hostKeys: new Option<HostKeys, HostKeys>(HOST_KEYS_EXPECTED, hostKeysOf, 'strict'),
  knownHosts: paths('~/.ssh/known_hosts', '/etc/ssh/ssh_known_hosts'),
  hostKeyAlias: ALIAS,
  revokedHostKeys: paths(),
  minRsaBits: integer({ from: 1 }),
  addressFamily: checked<4 | 6>('4 or 6', value => value === 4 || value === 6),
  via: new Option<string | SshEndpointSpec | readonly (string | SshEndpointSpec)[]>(VIA_EXPECTED, via => via as Via),
  utility: moduleUrl(),
  env: environment(),
  agent: oneOf('node', 'auto', 'none').or('node'),
  agentCommand: text('one line', command => !/[\r\n]/.test(command)).or('node'),
  connectTimeoutMs: limit(),
  keepaliveIntervalMs: limit(),
  keepaliveCount: integer({ from: 1 }),
  ...ALGORITHM_LISTS,
} satisfies Table<SshOptions<SshEndpointSpec>>;

type Via = SshOptions<SshEndpointSpec>['via'];

/**
 * Checks what the caller gave and fills in the defaults.
 *
 * @throws a TypeError with code `ERR_INVALID_ARG` that names the field, its value (no secrets) and what was expected.
 */
export function resolveSshEndpoint(hostname: string, options: SshOptions<SshEndpointSpec> = {}): SshEndpointSpec {
  HOST.required.read(hostname, 'hostname');
  const { host = hostname, via, utility, env, agent, agentCommand, ...others } = readOptions(SSH, options);
  const { connectTimeoutMs, passphrase, keyboardInteractive: _asked, ...rest } = others;
  const plain: SshPoint = {
    ...rest,
    hostname,
    host,
    passphrase: typeof passphrase === 'function' ? undefined : passphrase,
  };
  const point: SshPoint = { ...plain, asks: asksOf(options, keyOf(plain)) };
  if (point.hostKeys === 'accept-new' && point.knownHosts.length === 0) {
    throw invalidArgument('knownHosts', options.knownHosts, "a path to record keys in, with hostKeys 'accept-new'");
  }
  const hops = hopsOf(via, point);
  // Without connectTimeoutMs, which does not matter to an open connection.
  const key = `ssh:${addressOf(point)}#${fingerprintOf({ point, hops: hops.map(hop => hop.key), agent, agentCommand, utility, env })}`;
  return {
    transport: 'ssh',
    ...point,
    key,
    route: routeOf(hops[0] ?? point),
    openFiles: { count: 1, of: hops[0]?.key ?? key },
    agent,
    agentCommand,
    hops,
    utility,
    env,
    connectTimeoutMs,
  };
}

/** The server that this machine connects to: one thread paces and shares its connections. */
function routeOf({ host, port }: SshPoint): string {
  return `ssh:${host} ${String(port)}`;
}

/** Distinguishes servers and logins, and shows no secret. */
function keyOf(point: SshPoint): string {
  return `ssh:${addressOf(point)}#${fingerprintOf(point)}`;
}

/** `user@host:port`, an IPv6 address in brackets, for messages. */
export function addressOf(point: SshPoint): string {
  return `${point.user}@${point.host.includes(':') ? `[${point.host}]` : point.host}:${String(point.port)}`;
}

function hopsOf(via: Via, drone: SshPoint): SshHop[] {
  if (via === undefined) return [];
  const list: readonly unknown[] = Array.isArray(via) ? via : [via];
  return list.flatMap(hop => {
    if (typeof hop === 'string') return [asHop(parseHop(hop, drone))];
    if (isSpec(hop)) return [...hop.hops, asHop(pointOf(hop))];
    // Only the field names of an object are shown: it may hold a password.
    const told = typeof hop === 'object' && hop !== null ? Object.keys(hop) : hop;
    throw invalidArgument('via', told, VIA_EXPECTED);
  });
}

function isSpec(value: unknown): value is SshEndpointSpec {
  return typeof value === 'object' && value !== null && (value as Partial<SshEndpointSpec>).transport === 'ssh';
}

function asHop(point: SshPoint): SshHop {
  return { ...point, key: keyOf(point) };
}

/** Only the connection's fields: what a hop runs as a drone does not matter on the way through it. */
function pointOf(spec: SshEndpointSpec): SshPoint {
  const { transport: _transport, key: _key, route: _route, openFiles: _files, agent: _agent, ...others } = spec;
  const { agentCommand: _command, ...rest } = others;
  const { hops: _hops, utility: _utility, env: _env, connectTimeoutMs: _limit, ...point } = rest;
  return point;
}

function parseHop(text: string, drone: SshPoint): SshPoint {
  const parts = /^(?:([^@:]+)@)?(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = parts?.[2] ?? parts?.[3];
  if (!parts || host === undefined) {
    // The part before the @ may be an attempt at user:password.
    throw invalidArgument('via', text.replace(/^.*@/, '…@'), "'[user@]host[:port]', with an IPv6 address in brackets");
  }
  HOST.read(host, 'via');
  const port = PORT.read(parts[4] && Number(parts[4]), 'via');
  // Password and answers are for the one host that they were given for.
  return {
    ...drone,
    hostname: host,
    host,
    port,
    user: parts[1] ?? userInfo().username,
    password: undefined,
    asks: drone.asks?.passphrase === true ? { ...drone.asks, keyboardInteractive: false } : undefined,
    hostKeyAlias: undefined,
  };
}

function agentSocketOf(value: unknown, field: string): string | undefined {
  if (value === false) return undefined;
  // As to ssh, an empty variable means no ssh-agent.
  if (value === undefined) return process.env['SSH_AUTH_SOCK'] || undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw invalidArgument(field, value, 'the path of a socket, or false');
}

function hostKeysOf(value: unknown, field: string): HostKeys {
  if (value === undefined) return 'strict';
  if (value === 'strict' || value === 'accept-new') return value;
  if (typeof value !== 'object' || value === null) throw invalidArgument(field, value, HOST_KEYS_EXPECTED);
  checkNames(value, ['fingerprints'], field);
  const { fingerprints } = value as { fingerprints?: unknown };
  if (!Array.isArray(fingerprints) || fingerprints.length === 0) {
    throw invalidArgument(field, value, HOST_KEYS_EXPECTED);
  }
  return {
    fingerprints: fingerprints.map((fingerprint: unknown) => {
      if (typeof fingerprint === 'string' && /^SHA256:[A-Za-z0-9+/]{43}=?$/.test(fingerprint)) {
        return fingerprint.replace(/=$/, '');
      }
      const expected = "'SHA256:' and 43 characters, as ssh-keygen -l prints";
      throw invalidArgument(`${field}.fingerprints`, fingerprint, expected);
    }),
  };
}
