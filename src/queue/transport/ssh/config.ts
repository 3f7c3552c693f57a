/** From a host in ssh_config, as the system's own `ssh` understands it, to the options of a drone. */
import { existsSync } from 'node:fs';
import { homedir, hostname as localHostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { ALGORITHMS, type AlgorithmList } from './algorithms.js';
import { sshConfigError, type SshConfigText, sshG } from './ssh-g.js';
import type { SshOptions } from './ssh-endpoint.js';

type Options = Omit<SshOptions<never>, 'via'>;

export interface HopFromConfig extends Options {
  readonly name: string;
}

export interface DroneFromConfig extends Options {
  /** The outermost first. */
  readonly hops: readonly HopFromConfig[];
}

/** More hops than anybody has, so that hosts which name each other come to an end. */
const MAX_HOPS = 10;

/** Asks `ssh -G` about a host, and about each hop on the way to it. What is in `given` is not looked at. */
export async function readSshConfig(
  name: string,
  given: Readonly<Record<string, unknown>>,
  configFile: string | undefined,
): Promise<DroneFromConfig> {
  const file = configFile?.replace(/^~(?=\/)/, homedir());
  const config = await sshG(name, { file });
  const hops = given['via'] === undefined ? await hopsOf(config, file, 0) : [];
  return { ...(await optionsOf(config, given)), hops };
}

/** As with `ssh -J a,b host`: a's own ProxyJump leads to a, while b is reached from a, whatever its own says. */
async function hopsOf(config: SshConfigText, file: string | undefined, depth: number): Promise<HopFromConfig[]> {
  const command = config.value('proxycommand');
  if (command !== undefined) {
    throw unsupported(config, 'ProxyCommand is not supported; use ProxyJump, or `via`');
  }
  const jump = config.value('proxyjump');
  if (jump === undefined) return [];
  const targets = jump.split(',').map(text => parseTarget(config, text));
  if (depth + targets.length > MAX_HOPS) {
    throw unsupported(config, `ProxyJump leads over more than ${String(MAX_HOPS)} hops`);
  }
  const configs = await Promise.all(targets.map(({ name, user, port }) => sshG(name, { file, user, port })));
  const [first] = configs;
  const before = first ? await hopsOf(first, file, depth + targets.length) : [];
  const hops = configs.map(async each => ({ name: each.name, ...(await optionsOf(each, {})) }));
  return [...before, ...(await Promise.all(hops))];
}

function parseTarget(config: SshConfigText, text: string): { name: string; user?: string; port?: string } {
  const parts = /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[([^\]]+)\]|([^:@]+))(?::(\d+))?\/?$/.exec(text.trim());
  const name = parts?.[2] ?? parts?.[3];
  if (!parts || name === undefined) throw unsupported(config, `ProxyJump names a hop that cannot be read: ${text}`);
  const [, user, , , port] = parts;
  return { name, ...(user !== undefined && { user }), ...(port !== undefined && { port }) };
}

/** What is in `given` is left out, and so are its own troubles. */
async function optionsOf(config: SshConfigText, given: Readonly<Record<string, unknown>>): Promise<Options> {
  const defaults = await readDefaults();
  const readers: { readonly [Field in keyof Options]: () => Options[Field] } = {
    host: () => config.value('hostname'),
    port: () => Number(config.value('port') ?? '22'),
    user: () => config.value('user'),
    identity: () => identityOf(config, defaults),
    identitiesOnly: () => config.value('identitiesonly') === 'yes',
    agentSocket: () => agentOf(config),
    hostKeys: () => hostKeysOf(config),
    knownHosts: () => knownHostsOf(config, given['hostKeys'] ?? hostKeysOf(config)),
    hostKeyAlias: () => config.value('hostkeyalias'),
    connectTimeoutMs: () => secondsOf(config, 'connecttimeout'),
    keepaliveIntervalMs: () => secondsOf(config, 'serveraliveinterval'),
    keepaliveCount: () => keepaliveCountOf(config, defaults),
    ciphers: () => algorithmsOf(config, defaults, 'ciphers', 'Ciphers'),
    kex: () => algorithmsOf(config, defaults, 'kex', 'KexAlgorithms'),
    macs: () => algorithmsOf(config, defaults, 'macs', 'MACs'),
    hostKeyAlgorithms: () => algorithmsOf(config, defaults, 'hostKeyAlgorithms', 'HostKeyAlgorithms'),
  };
  const wanted = Object.entries(readers).filter(([field]) => given[field] === undefined);
  return Object.fromEntries(wanted.map(([field, read]) => [field, read()]));
}

/** ssh always prints one; where it is ssh's own, ours holds. */
function keepaliveCountOf(config: SshConfigText, defaults: SshConfigText): number | undefined {
  const value = config.value('serveralivecountmax');
  return value === defaults.value('serveralivecountmax') ? undefined : Number(value) || undefined;
}

let defaults: Promise<SshConfigText> | undefined;

/** What ssh prints where nothing is configured, read once. */
async function readDefaults(): Promise<SshConfigText> {
  defaults ??= sshG('localhost', { file: '/dev/null' });
  try {
    return await defaults;
  } catch (error) {
    defaults = undefined;
    throw error;
  }
}

/** Of the files that ssh looks for by itself, those that are there. */
function identityOf(config: SshConfigText, defaults: SshConfigText): string[] {
  const usual = defaults.values('identityfile');
  return config.values('identityfile').flatMap(text => {
    const path = expand(config, text);
    return !usual.includes(text) || existsSync(path) || existsSync(`${path}.pub`) ? [path] : [];
  });
}

function knownHostsOf(config: SshConfigText, hostKeys: unknown): string[] {
  const own = config.words('userknownhostsfile').map(text => expand(config, text));
  // The first file is where new keys go, and the machine's own is not the place.
  if (own.length === 0 && hostKeys === 'accept-new') {
    throw unsupported(config, "there is no UserKnownHostsFile to record keys in, as 'accept-new' does");
  }
  return [...own, ...config.words('globalknownhostsfile')];
}

/** In ms; undefined for 0, which means ssh's own default of no limit, in place of which there is ours. */
function secondsOf(config: SshConfigText, option: string): number | undefined {
  const seconds = Number(config.value(option) ?? '0');
  return seconds > 0 ? seconds * 1000 : undefined;
}

/** Undefined where ssh has its own default: the order that is fast in C is not what is fast here. */
function algorithmsOf(
  config: SshConfigText,
  defaults: SshConfigText,
  list: AlgorithmList,
  option: string,
): string[] | undefined {
  const wanted = config.value(option.toLowerCase());
  if (wanted === undefined || wanted === defaults.value(option.toLowerCase())) return undefined;
  const known = wanted.split(',').filter(name => ALGORITHMS[list].includes(name));
  if (known.length === 0) throw unsupported(config, `${option} has no algorithm that is supported: ${wanted}`);
  return known;
}

function hostKeysOf(config: SshConfigText): 'strict' | 'accept-new' {
  const checking = config.value('stricthostkeychecking');
  if (checking === 'accept-new') return 'accept-new';
  if (checking === 'false' || checking === 'no' || checking === 'off') {
    throw unsupported(
      config,
      "StrictHostKeyChecking no: every host key is checked here; give `hostKeys: 'accept-new'`",
    );
  }
  return 'strict';
}

/** Undefined for the default, which is the environment's. */
function agentOf(config: SshConfigText): string | false | undefined {
  const text = config.raw('identityagent');
  if (text === undefined || text === 'SSH_AUTH_SOCK') return undefined;
  if (text === 'none') return false;
  const path = /^\$\w/.test(text) ? process.env[text.slice(1)] : expand(config, text);
  return path === undefined || path === '' ? false : path;
}

/** The tokens of ssh_config(5) and `${NAME}`, which `ssh -G` leaves in paths; `~/` is left for later. */
function expand(config: SshConfigText, text: string): string {
  const host = config.value('hostname') ?? config.name;
  const tokens: Readonly<Record<string, string | undefined>> = {
    '%': '%',
    d: homedir(),
    h: host,
    i: String(process.getuid?.()),
    k: config.value('hostkeyalias') ?? config.name,
    L: localHostname().split('.')[0],
    l: localHostname(),
    n: config.name,
    p: config.value('port'),
    r: config.value('user'),
    // Throws for a uid without a name, which is of no matter to most.
    get u() {
      return userInfo().username;
    },
  };
  const expanded = text
    .replaceAll(/\$\{([^}]+)\}/g, (_all, name: string) => {
      const value = process.env[name];
      if (value === undefined) throw unsupported(config, `${text} names an environment variable that is not set`);
      return value;
    })
    .replaceAll(/%(.?)/g, (_all, token: string) => {
      const value = tokens[token];
      if (value === undefined) throw unsupported(config, `${text} has a token that is not supported: %${token}`);
      return value;
    });
  return expanded.startsWith('~/') ? join(homedir(), expanded.slice(2)) : expanded;
}

function unsupported(config: SshConfigText, message: string): Error {
  return sshConfigError('ERR_SSH_CONFIG_UNSUPPORTED', `ssh_config of ${config.name}: ${message}`);
}
