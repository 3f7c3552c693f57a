/**
 * What becomes of each setting that `ssh -G` prints: the table of docs/ssh-config.md, which a test compares with this one
 * and with what the installed ssh prints.
 *
 * A setting that changes whom we trust, how we reach a host or who we are is obeyed, or refused by name where it is set to
 * anything but ssh's default. The others do not affect a call.
 */
import type { SshOptions } from './ssh-endpoint.js';

type OptionName = keyof SshOptions<never>;

export interface Setting {
  readonly use: 'obeyed' | 'refused' | 'ignored';
  /** What it becomes, or why not. */
  readonly why: string;
  /** Values that are not refused, besides ssh's default. In lower case. */
  readonly harmless?: readonly string[];
  /** Options that the caller gives in its place; with one of them it is not refused. */
  readonly unless?: readonly OptionName[];
  /** It has no meaning behind a hop. */
  readonly isDirectOnly?: true;
}

const NO = ['no', 'false', 'none', 'off'];
const TRUST: readonly OptionName[] = ['hostKeys', 'knownHosts'];
const OURSELVES: readonly OptionName[] = ['identity'];

const obeyed = (why: string): Setting => ({ use: 'obeyed', why });
const ignored = (why: string): Setting => ({ use: 'ignored', why });
const refused = (why: string, more: Omit<Setting, 'use' | 'why'> = {}): Setting => ({ use: 'refused', why, ...more });

const BY_SSH = obeyed('ssh itself resolves it; the result is the host name');
const NO_FORWARDING = ignored('no port, socket, display or tunnel is forwarded');
const NO_GSSAPI = ignored(
  'GSSAPI logins are not supported; many systems set it for every host, and it only adds a way to log in',
);
const NO_TERMINAL = ignored('a call has no terminal, and nothing is typed');
const NO_CERTIFICATES = ignored('concerns certificates, which are not supported');
const NO_SHARING = ignored('connections of other programs are not shared; the queue keeps its own');
const LOGGING = ignored('concerns what ssh prints');

/** By the names of ssh_config(5). */
export const SETTINGS: Readonly<Record<string, Setting>> = {
  AddKeysToAgent: ignored('no key is added to an ssh-agent'),
  AddressFamily: { ...obeyed('`addressFamily`'), isDirectOnly: true },
  AppleMultipath: ignored('plain TCP reaches the same host'),
  BatchMode: ignored('only the drone’s functions prompt'),
  BindAddress: refused('the system chooses the address to connect from', { isDirectOnly: true }),
  BindInterface: refused('the system chooses the interface to connect from', { isDirectOnly: true }),
  CanonicalDomains: BY_SSH,
  CanonicalizeFallbackLocal: BY_SSH,
  CanonicalizeHostname: BY_SSH,
  CanonicalizeMaxDots: BY_SSH,
  CanonicalizePermittedCNAMEs: BY_SSH,
  CASignatureAlgorithms: NO_CERTIFICATES,
  CertificateFile: refused('certificates are not supported', { unless: OURSELVES }),
  ChallengeResponseAuthentication: ignored('only the drone’s options answer a server’s questions'),
  ChannelTimeout: ignored('the queue has its own timeouts for calls and connections'),
  CheckHostIP: refused('host keys are looked up by name', { harmless: NO, unless: TRUST }),
  Ciphers: obeyed('`ciphers`'),
  ClearAllForwardings: NO_FORWARDING,
  Compression: ignored('nothing is compressed'),
  ConnectionAttempts: ignored('the queue has its own rules for retries'),
  ConnectTimeout: obeyed('`connectTimeoutMs`'),
  ControlMaster: NO_SHARING,
  ControlPath: NO_SHARING,
  ControlPersist: NO_SHARING,
  DynamicForward: NO_FORWARDING,
  EnableEscapeCommandline: NO_TERMINAL,
  EnableSSHKeysign: ignored('part of HostbasedAuthentication'),
  EscapeChar: NO_TERMINAL,
  ExitOnForwardFailure: NO_FORWARDING,
  FingerprintHash: LOGGING,
  ForkAfterAuthentication: NO_TERMINAL,
  ForwardAgent: ignored('no ssh-agent is forwarded: the host cannot use our keys'),
  ForwardX11: NO_FORWARDING,
  ForwardX11Timeout: NO_FORWARDING,
  ForwardX11Trusted: NO_FORWARDING,
  GatewayPorts: NO_FORWARDING,
  GlobalKnownHostsFile: obeyed('`knownHosts`, after UserKnownHostsFile'),
  GSSAPIAuthentication: NO_GSSAPI,
  GSSAPIClientIdentity: NO_GSSAPI,
  GSSAPIDelegateCredentials: NO_GSSAPI,
  GSSAPIKexAlgorithms: NO_GSSAPI,
  GSSAPIKeyExchange: NO_GSSAPI,
  GSSAPIRenewalForcesRekey: NO_GSSAPI,
  GSSAPIServerIdentity: NO_GSSAPI,
  GSSAPITrustDns: NO_GSSAPI,
  HashKnownHosts: ignored('`accept-new` records names in clear text; hashed names are understood'),
  Host: obeyed('the name given to `fromSshConfig`'),
  HostbasedAcceptedAlgorithms: ignored('part of HostbasedAuthentication'),
  HostbasedAuthentication: refused('the drone cannot log in with the key of this machine', {
    harmless: NO,
    unless: OURSELVES,
  }),
  HostbasedKeyTypes: ignored('part of HostbasedAuthentication'),
  HostKeyAlgorithms: obeyed('`hostKeyAlgorithms`'),
  HostKeyAlias: obeyed('`hostKeyAlias`'),
  Hostname: obeyed('`host`'),
  IdentitiesOnly: obeyed('`identitiesOnly`'),
  IdentityAgent: obeyed('`agentSocket`'),
  IdentityFile: obeyed('`identity`; by default, those of ssh’s default files that exist'),
  IgnoreUnknown: BY_SSH,
  IPQoS: ignored('the system chooses the packet class'),
  KbdInteractiveAuthentication: ignored('only the drone’s options answer a server’s questions'),
  KbdInteractiveDevices: ignored('only the drone’s options answer a server’s questions'),
  KexAlgorithms: obeyed('`kex`'),
  KnownHostsCommand: refused('host keys come from files', { unless: TRUST }),
  LocalCommand: ignored('no command is run on this machine'),
  LocalForward: NO_FORWARDING,
  LogLevel: LOGGING,
  LogVerbose: LOGGING,
  MACs: obeyed('`macs`'),
  NoHostAuthenticationForLocalhost: refused('every host key is checked', { harmless: NO, unless: TRUST }),
  NumberOfPasswordPrompts: NO_TERMINAL,
  ObscureKeystrokeTiming: NO_TERMINAL,
  PasswordAuthentication: ignored('only the option `password` is ever sent'),
  PermitLocalCommand: ignored('no command is run on this machine'),
  PermitRemoteOpen: NO_FORWARDING,
  PKCS11Provider: refused('keys come from files and ssh-agents', { unless: OURSELVES }),
  Port: obeyed('`port`'),
  PreferredAuthentications: obeyed('without `publickey`, no key is offered; the order is fixed'),
  ProxyCommand: refused('connections are made over TCP or through hops, as with ProxyJump', { unless: ['via'] }),
  ProxyJump: obeyed('`via`, each hop with its own ssh_config'),
  ProxyUseFdpass: ignored('part of ProxyCommand'),
  PubkeyAcceptedAlgorithms: obeyed('`publicKeyAlgorithms`'),
  PubkeyAcceptedKeyTypes: obeyed('`publicKeyAlgorithms`'),
  PubkeyAuthentication: obeyed('with `no`, no key is offered'),
  RefuseConnection: refused('ssh does not connect to this host either'),
  RekeyLimit: ignored('session keys are renewed when the server requests it'),
  RemoteCommand: ignored('calls bring their own commands, as with scp'),
  RemoteForward: NO_FORWARDING,
  RequestTTY: NO_TERMINAL,
  RequiredRSASize: obeyed('`minRsaBits`'),
  RevokedHostKeys: obeyed('`revokedHostKeys`'),
  RSAMinSize: obeyed('`minRsaBits`'),
  SecurityKeyProvider: ignored('security keys are not supported; if a login has no other key, the error says so'),
  SendEnv: ignored('the option `env` sets the environment of commands'),
  ServerAliveCountMax: obeyed('`keepaliveCount`, unless it is ssh’s default'),
  ServerAliveInterval: obeyed('`keepaliveIntervalMs`, unless it is ssh’s default'),
  SessionType: ignored('calls bring their own commands, as with scp'),
  SetEnv: ignored('the option `env` sets the environment of commands'),
  StdinNull: NO_TERMINAL,
  StreamLocalBindMask: NO_FORWARDING,
  StreamLocalBindUnlink: NO_FORWARDING,
  StrictHostKeyChecking: obeyed('`hostKeys`: `yes` and `ask` are `strict`; `no` is refused: every host key is checked'),
  SyslogFacility: LOGGING,
  Tag: BY_SSH,
  TCPKeepAlive: ignored('SSH keepalives detect what TCP keepalives would'),
  Tunnel: NO_FORWARDING,
  TunnelDevice: NO_FORWARDING,
  UpdateHostKeys: ignored('no additional keys are recorded from a server'),
  UseKeychain: ignored('passphrases come only from the option `passphrase`'),
  User: obeyed('`user`'),
  UserKnownHostsFile: obeyed('`knownHosts`'),
  VerifyHostKeyDNS: refused('DNS records do not make a host key trusted', { harmless: [...NO, 'ask'], unless: TRUST }),
  VersionAddendum: ignored('only a remark in the version line'),
  VisualHostKey: LOGGING,
  WarnWeakCrypto: LOGGING,
  XAuthLocation: NO_FORWARDING,
};

/** By the name that `ssh -G` prints. */
const BY_PRINTED = new Map(
  Object.entries(SETTINGS).map(([name, setting]) => [name.toLowerCase(), { name, ...setting }]),
);

/** One printed setting that differs from what ssh prints without any configuration. */
export interface Printed {
  readonly option: string;
  readonly value: string;
}

export interface Circumstances {
  /** The caller's options. */
  readonly given: Readonly<Record<string, unknown>>;
  readonly isBehindHop: boolean;
}

/** Why a setting is refused, for a message; undefined when it is not. */
export function refusalOf({ option, value }: Printed, where: Circumstances): string | undefined {
  const setting = BY_PRINTED.get(option);
  if (setting === undefined) return `unknown setting ${option}, which might change which host you reach or trust`;
  const { name, use, why, harmless = ['none'], unless = [], isDirectOnly = false } = setting;
  if (use !== 'refused' || harmless.includes(value.toLowerCase())) return undefined;
  if ((isDirectOnly && where.isBehindHop) || unless.some(option => where.given[option] !== undefined)) return undefined;
  const ways = unless.map(option => `\`${option}\``).join(' or ');
  return `${name} is not supported: ${why}${ways === '' ? '' : `; use ${ways} instead`}`;
}
