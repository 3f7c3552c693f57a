/** Turns a host of ssh_config, as the system's `ssh` reads it, into the options of a drone. */
import { existsSync } from 'node:fs';
import { homedir, hostname as localHostname, userInfo } from 'node:os';
import { expandHome } from '../../../option/home.js';
import { ALGORITHMS, type AlgorithmList } from './algorithms.js';
import { type Circumstances, refusalOf } from './config-table.js';
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

/** Ends a circle of hosts that name each other. */
const MAX_HOPS = 10;

/** Asks `ssh -G` about a host and each hop on the way to it, except for what is in `given`. */
export async function readSshConfig(
  name: string,
  given: Readonly<Record<string, unknown>>,
  configFile: string | undefined,
): Promise<DroneFromConfig> {
  const file = configFile && expandHome(configFile);
  const config = await sshG(name, { file });
  const hops = given['via'] === undefined ? await hopsOf(config, file, 0) : [];
  const via = given['via'] ?? hops;
  const isBehindHop = !Array.isArray(via) || via.length > 0;
  return { ...(await optionsOf(config, { given, isBehindHop })), hops };
}

/** As with `ssh -J a,b host`: a's own ProxyJump applies; b is reached from a, whatever its own says. */
async function hopsOf(config: SshConfigText, file: string | undefined, depth: number): Promise<HopFromConfig[]> {
  const command = config.value('proxycommand');
  if (command !== undefined) refuseSetting(config, 'proxycommand', [command], { given: {}, isBehindHop: false });
  const jump = config.value('proxyjump');
  if (jump === undefined) return [];
  const targets = jump.split(',').map(text => parseTarget(config, text));
  if (depth + targets.length > MAX_HOPS) {
    throw unsupported(config, `ProxyJump has more than ${String(MAX_HOPS)} hops`);
  }
  const configs = await Promise.all(targets.map(({ name, user, port }) => sshG(name, { file, user, port })));
  const [first] = configs;
  const before = first ? await hopsOf(first, file, depth + targets.length) : [];
  // How to reach each of them is known by now.
  const given = { via: 'jump' };
  const hops = configs.map(async (each, at) => {
    const isBehindHop = before.length > 0 || at > 0;
    return { name: each.name, ...(await optionsOf(each, { given, isBehindHop })) };
  });
  return [...before, ...(await Promise.all(hops))];
}

function parseTarget(config: SshConfigText, text: string): { name: string; user?: string; port?: string } {
  const parts = /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[([^\]]+)\]|([^:@]+))(?::(\d+))?\/?$/.exec(text.trim());
  const name = parts?.[2] ?? parts?.[3];
  if (!parts || name === undefined) throw unsupported(config, `ProxyJump contains an invalid hop: ${text}`);
  const [, user, , , port] = parts;
  return { name, ...(user !== undefined && { user }), ...(port !== undefined && { port }) };
}

/** Skips what is in `given`, with its errors. */
async function optionsOf(config: SshConfigText, where: Circumstances): Promise<Options> {
  const { given, isBehindHop } = where;
  const defaults = await readDefaults();
  for (const [option, values] of config.all) {
    if (values.join('\n') !== defaults.all.get(option)?.join('\n')) refuseSetting(config, option, values, where);
  }
  const readers: { readonly [Field in keyof Options]: () => Options[Field] } = {
    host: () => config.value('hostname'),
    port: () => Number(config.value('port') ?? '22'),
    user: () => config.value('user'),
    addressFamily: () => (isBehindHop ? undefined : FAMILIES.get(config.value('addressfamily') ?? '')),
    identity: () => (offersKeys(config) ? identityOf(config, defaults) : []),
    identitiesOnly: () => config.value('identitiesonly') === 'yes',
    agentSocket: () => (offersKeys(config) ? agentOf(config) : false),
    hostKeys: () => hostKeysOf(config),
    knownHosts: () => knownHostsOf(config, given['hostKeys'] ?? hostKeysOf(config)),
    revokedHostKeys: () => config.values('revokedhostkeys').map(text => expand(config, text)),
    hostKeyAlias: () => config.value('hostkeyalias'),
    minRsaBits: () => rsaBitsOf(config, defaults),
    connectTimeoutMs: () => secondsOf(config, 'connecttimeout'),
    keepaliveIntervalMs: () => secondsOf(config, 'serveraliveinterval'),
    keepaliveCount: () => keepaliveCountOf(config, defaults),
    publicKeyAlgorithms: () =>
      algorithmsOf(config, defaults, 'publicKeyAlgorithms', 'PubkeyAcceptedAlgorithms', 'PubkeyAcceptedKeyTypes'),
    ciphers: () => algorithmsOf(config, defaults, 'ciphers', 'Ciphers'),
    kex: () => algorithmsOf(config, defaults, 'kex', 'KexAlgorithms'),
    macs: () => algorithmsOf(config, defaults, 'macs', 'MACs'),
    hostKeyAlgorithms: () => algorithmsOf(config, defaults, 'hostKeyAlgorithms', 'HostKeyAlgorithms'),
  };
  const wanted = Object.entries(readers).filter(([field]) => given[field] === undefined);
  return Object.fromEntries(wanted.map(([field, read]) => [field, read()]));
}

function refuseSetting(
  config: SshConfigText,
  option: string,
  values: readonly string[],
  circumstances: Circumstances,
): void {
  for (const value of values) {
    const why = refusalOf({ option, value }, circumstances);
    if (why !== undefined) throw unsupported(config, why);
  }
}

const FAMILIES = new Map<string, 4 | 6>([
  ['inet', 4],
  ['inet6', 6],
]);

function offersKeys(config: SshConfigText): boolean {
  const isOff = ['no', 'false'].includes(config.value('pubkeyauthentication') ?? 'yes');
  const methods = config.value('preferredauthentications')?.split(',');
  return !isOff && (methods?.includes('publickey') ?? true);
}

/** Undefined for ssh's default: below that, ssh2's own checks end the handshake. */
function rsaBitsOf(config: SshConfigText, defaults: SshConfigText): number | undefined {
  for (const option of ['requiredrsasize', 'rsaminsize']) {
    const value = config.value(option);
    if (value !== undefined && value !== defaults.value(option)) return Number(value);
  }
  return undefined;
}

/** ssh always prints one; ssh's default gives way to ours. */
function keepaliveCountOf(config: SshConfigText, defaults: SshConfigText): number | undefined {
  const value = config.value('serveralivecountmax');
  return value === defaults.value('serveralivecountmax') ? undefined : Number(value) || undefined;
}

let defaults: Promise<SshConfigText> | undefined;

/** ssh's output without any configuration, read once. */
async function readDefaults(): Promise<SshConfigText> {
  defaults ??= sshG('localhost', { file: '/dev/null' });
  try {
    return await defaults;
  } catch (error) {
    defaults = undefined;
    throw error;
  }
}

/** Of the files that ssh tries by default, those that exist. */
function identityOf(config: SshConfigText, defaults: SshConfigText): string[] {
  const usual = defaults.values('identityfile');
  return config.values('identityfile').flatMap(text => {
    const path = expand(config, text);
    return !usual.includes(text) || existsSync(path) || existsSync(`${path}.pub`) ? [path] : [];
  });
}

function knownHostsOf(config: SshConfigText, hostKeys: unknown): string[] {
  const own = config.words('userknownhostsfile').map(text => expand(config, text));
  // New keys go to the first file, and the machine's own is not the place for them.
  if (own.length === 0 && hostKeys === 'accept-new') {
    throw unsupported(config, "there is no UserKnownHostsFile to record keys in, as 'accept-new' does");
  }
  return [...own, ...config.words('globalknownhostsfile')];
}

/** In ms. Undefined for 0, ssh's default of no limit, which gives way to ours. */
function secondsOf(config: SshConfigText, option: string): number | undefined {
  const seconds = Number(config.value(option) ?? '0');
  return seconds > 0 ? seconds * 1000 : undefined;
}

/** Undefined for ssh's default: the order that is fast in C is not fast here. */
function algorithmsOf(
  config: SshConfigText,
  defaults: SshConfigText,
  list: AlgorithmList,
  ...names: readonly [option: string, formerly?: string]
): string[] | undefined {
  const option = names.find(name => name !== undefined && config.value(name.toLowerCase()) !== undefined) ?? names[0];
  const wanted = config.value(option.toLowerCase());
  if (wanted === undefined || wanted === defaults.value(option.toLowerCase())) return undefined;
  const known = wanted.split(',').filter(name => ALGORITHMS[list].includes(name));
  if (known.length === 0) throw unsupported(config, `${option} names no supported algorithm: ${wanted}`);
  return known;
}

function hostKeysOf(config: SshConfigText): 'strict' | 'accept-new' {
  const checking = config.value('stricthostkeychecking');
  if (checking === 'accept-new') return 'accept-new';
  if (checking === 'false' || checking === 'no' || checking === 'off') {
    throw unsupported(config, "StrictHostKeyChecking no: every host key is checked; use `hostKeys: 'accept-new'`");
  }
  return 'strict';
}

function agentOf(config: SshConfigText): string | false | undefined {
  const text = config.raw('identityagent');
  if (text === undefined || text === 'SSH_AUTH_SOCK') return undefined;
  if (text === 'none') return false;
  const path = /^\$\w/.test(text) ? process.env[text.slice(1)] : expand(config, text);
  return path === undefined || path === '' ? false : path;
}

/** Expands the tokens of ssh_config(5) and `${NAME}`, which `ssh -G` leaves in paths. */
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
    // A getter: it throws for a uid without a name, which few need.
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
      if (value === undefined) throw unsupported(config, `${text} has an unsupported token: %${token}`);
      return value;
    });
  return expandHome(expanded);
}

function unsupported(config: SshConfigText, message: string): Error {
  return sshConfigError('ERR_SSH_CONFIG_UNSUPPORTED', `ssh_config of ${config.name}: ${message}`);
}
