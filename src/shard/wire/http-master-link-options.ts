import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { MAX_TIMER_MS } from '../../wait/clock.js';
import { invalidArgument } from '../../option/invalid-argument.js';
import { bytes, milliseconds, secret, text, texts } from '../../option/option-kinds.js';
import { group, Option, readOptions, type Settings, type Table } from '../../option/option-table.js';
import { DEFAULT_MAX_BODY_BYTES, MAX_BODY_BYTES } from './json-body.js';

/** Options of an HttpMasterLink. */
export interface HttpMasterLinkOptions {
  /**
   * The master's URL, such as `https://farm.example:8490`, with a path if the routes have a prefix. `http:` exposes the
   * token on the network.
   */
  url: string | URL;
  /** The shard's token from the master. No message shows it. */
  token: string;
  /** From the start of a heartbeat to the end of its reply, ms. Default 300,000. */
  timeoutMs?: number | undefined;
  /** Maximum number of bytes of a decompressed reply. Default 32 MiB. */
  maxReplyBytes?: number | undefined;
  /** For an `https:` URL only. */
  tls?: MasterTlsOptions | undefined;
}

/** PEM texts, not paths. */
export interface MasterTlsOptions {
  /** Authorities for the master's certificate. Default: those that Node trusts. */
  ca?: string | readonly string[] | undefined;
  /** The shard's certificate, for a master or proxy that requires one. */
  cert?: string | undefined;
  /** The certificate's key. */
  key?: string | undefined;
  /** The key's passphrase. */
  passphrase?: string | undefined;
  /** The name in the master's certificate. Default: the URL's. */
  servername?: string | undefined;
}

export const MASTER_TLS = {
  ca: texts(),
  cert: text(),
  key: secret(),
  passphrase: secret(),
  servername: text(),
} satisfies Table<MasterTlsOptions>;

const URL_EXPECTED = 'an http: or https: URL, without user, password, query and fragment';

export const HTTP_MASTER_LINK = {
  url: new Option<string | URL, URL>(URL_EXPECTED, heartbeatUrl, 'required'),
  token: secret('printable ASCII without spaces', token => /^[\x21-\x7e]+$/.test(token)).required,
  timeoutMs: milliseconds({ above: 0, to: MAX_TIMER_MS }).or(300_000),
  maxReplyBytes: bytes({ from: 1, to: MAX_BODY_BYTES }).or(DEFAULT_MAX_BODY_BYTES),
  tls: group(MASTER_TLS).as(tlsSettings),
} satisfies Table<HttpMasterLinkOptions>;

type CheckedTls = Settings<typeof MASTER_TLS>;
/** For node:tls. */
type TlsSettings = { readonly [Name in keyof CheckedTls]?: NonNullable<CheckedTls[Name]> };

export interface HttpMasterLinkSettings extends Omit<Settings<typeof HTTP_MASTER_LINK>, 'tls'> {
  readonly tls: TlsSettings;
}

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the option. */
export function readLinkOptions(options: HttpMasterLinkOptions): HttpMasterLinkSettings {
  const { tls = {}, ...others } = readOptions(HTTP_MASTER_LINK, options);
  if (others.url.protocol === 'http:' && Object.keys(tls).length > 0) {
    throw invalidArgument('tls', '(not shown)', 'nothing, because the url is http:, not https:');
  }
  return { ...others, tls };
}

function heartbeatUrl(given: unknown): URL {
  // Not shown: a part that does not belong there may be a secret.
  const refused = (): TypeError => invalidArgument('url', '(not shown)', URL_EXPECTED);
  if (!(given instanceof URL) && typeof given !== 'string') throw invalidArgument('url', given, URL_EXPECTED);
  const text = String(given);
  if (!URL.canParse(text)) throw refused();
  const url = new URL(text);
  const { username, password, search, hash, protocol } = url;
  if (username + password + search + hash !== '' || !['http:', 'https:'].includes(protocol)) throw refused();
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/heartbeat`;
  return url;
}

function tlsSettings(settings: CheckedTls): TlsSettings {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as TlsSettings;
  try {
    // node:tls ignores an invalid CA, and would then refuse every master.
    for (const ca of given.ca ?? []) new X509Certificate(ca);
    createSecureContext(given);
  } catch (error) {
    const complaint = invalidArgument('tls', '(not shown)', 'PEM texts that belong together');
    throw Object.assign(complaint, { cause: error });
  }
  return given;
}
