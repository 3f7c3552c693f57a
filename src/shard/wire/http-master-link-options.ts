/** What an HttpMasterLink can be told, its defaults, and the complaints about what it cannot be told. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { MAX_TIMER_MS } from '../../wait/clock.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { checkNames, OptionReader } from '../../option/option-reader.js';
import { DEFAULT_MAX_BODY_BYTES, MAX_BODY_BYTES } from './json-body.js';

/** How a shard gets to its master. */
export interface HttpMasterLinkOptions {
  /**
   * Where the master is: `https://farm.example:8490`, with a path if its routes have a prefix. Over `http:` anybody on the
   * way can read the token.
   */
  url: string | URL;
  /** The shard's own; the master made it. In no message. */
  token: string;
  /** From the start of a heartbeat to the end of its reply, ms. Default 300,000. */
  timeoutMs?: number | undefined;
  /** Of a reply, inflated. Default 32 MiB. */
  maxReplyBytes?: number | undefined;
  /** How TLS goes, for an `https:` URL; refused for another one. */
  tls?: MasterTlsOptions | undefined;
}

/** Texts in PEM, not paths. */
export interface MasterTlsOptions {
  /** Who may have signed the master's certificate. Default: those that Node trusts. */
  ca?: string | readonly string[] | undefined;
  /** The shard's certificate, for a master that asks for one, or for what stands before it. */
  cert?: string | undefined;
  /** Of that certificate. */
  key?: string | undefined;
  /** Of that key. */
  passphrase?: string | undefined;
  /** The name in the master's certificate. Default: the URL's. */
  servername?: string | undefined;
}

/** The options with their defaults, checked. */
export interface HttpMasterLinkSettings {
  /** Of the heartbeat's route. */
  readonly url: URL;
  readonly token: string;
  readonly timeoutMs: number;
  readonly maxReplyBytes: number;
  readonly tls: TlsSettings;
}

/** In the words of node:tls. */
export interface TlsSettings {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  readonly servername?: string;
}

const NAMES = ['url', 'token', 'timeoutMs', 'maxReplyBytes', 'tls'] satisfies (keyof HttpMasterLinkOptions)[];
const TLS_NAMES = ['ca', 'cert', 'key', 'passphrase', 'servername'] satisfies (keyof MasterTlsOptions)[];
const DEFAULT_TIMEOUT_MS = 300_000;

/** Throws TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readLinkOptions(options: HttpMasterLinkOptions): HttpMasterLinkSettings {
  const read = new OptionReader(options, NAMES);
  const timeoutMs = read.limit(
    'timeoutMs',
    `milliseconds, above 0 and up to ${String(MAX_TIMER_MS)}`,
    value => value > 0 && value <= MAX_TIMER_MS,
  );
  const maxReplyBytes = read.limit(
    'maxReplyBytes',
    `a whole number of bytes from 1 to ${String(MAX_BODY_BYTES)}`,
    value => Number.isInteger(value) && value >= 1 && value <= MAX_BODY_BYTES,
  );
  const url = heartbeatUrl(options.url);
  const tls = options.tls === undefined ? {} : readTls(options.tls);
  if (url.protocol === 'http:' && Object.keys(tls).length > 0) {
    throw invalidArgument('tls', '(not shown)', 'nothing, as the url is http: and not https:');
  }
  return {
    url,
    token: checkToken(read.secret('token')),
    timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxReplyBytes: maxReplyBytes ?? DEFAULT_MAX_BODY_BYTES,
    tls,
  };
}

function heartbeatUrl(given: unknown): URL {
  const expected = 'an http: or https: URL, without user, password, query and fragment';
  // Not shown: what does not belong into it may be a secret.
  const refused = (): TypeError => invalidArgument('url', '(not shown)', expected);
  if (!(given instanceof URL) && typeof given !== 'string') throw invalidArgument('url', given, expected);
  const text = String(given);
  if (!URL.canParse(text)) throw refused();
  const url = new URL(text);
  const { username, password, search, hash, protocol } = url;
  if (username + password + search + hash !== '' || !['http:', 'https:'].includes(protocol)) throw refused();
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/heartbeat`;
  return url;
}

function checkToken(token: string | undefined): string {
  if (token !== undefined && /^[\x21-\x7e]+$/.test(token)) return token;
  throw invalidArgument('token', token === undefined ? token : '(not shown)', 'printable ASCII without spaces');
}

function readTls(options: MasterTlsOptions): TlsSettings {
  checkNames(options, TLS_NAMES);
  const read = new OptionReader(options, TLS_NAMES);
  const settings = {
    ca: read.texts('ca'),
    cert: read.text('cert'),
    key: read.secret('key'),
    passphrase: read.secret('passphrase'),
    servername: read.text('servername'),
  };
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as TlsSettings;
  try {
    // A CA that is none would be passed over, and every master refused.
    for (const ca of given.ca ?? []) new X509Certificate(ca);
    createSecureContext(given);
  } catch (error) {
    const complaint = invalidArgument('tls', '(not shown)', 'PEM texts that belong together');
    throw Object.assign(complaint, { cause: error });
  }
  return given;
}
