/**
 * Private keys in formats that ssh2 does not read. Node converts PKCS#8 and other PEM; errors name any other format and its
 * remedy.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';

const PEM = /-----BEGIN (?:ENCRYPTED |RSA |EC )?PRIVATE KEY-----/;

/** A PEM that Node reads: PKCS#8, or a key with something in front of it, as `openssl ecparam -genkey` writes. */
export function isPem(text: Buffer): boolean {
  return PEM.test(text.toString('latin1'));
}

export function isEncryptedPem(text: Buffer): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text.toString('latin1'));
}

/** The same key in a format that ssh2 reads. Throws when the passphrase is wrong, or SSH has no such keys. */
export function readPem(text: Buffer, passphrase: string | undefined): string | Buffer {
  if (passphrase === undefined && isEncryptedPem(text)) throw new Error('encrypted, and no passphrase was given');
  const key = openPem(text, passphrase);
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return key.export({ type: 'pkcs1', format: 'pem' });
    case 'ec':
      if (!CURVES.has(key.asymmetricKeyDetails?.namedCurve ?? '')) break;
      return key.export({ type: 'sec1', format: 'pem' });
    case 'ed25519':
      return opensshOf(key);
  }
  const { asymmetricKeyType: type = '', asymmetricKeyDetails: details } = key;
  throw new Error(
    `holds a key of type ${[type, details?.namedCurve].filter(Boolean).join(' ')}, which SSH does not support`,
  );
}

function openPem(text: Buffer, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: text, format: 'pem', ...(passphrase !== undefined && { passphrase }) });
  } catch (error) {
    if (!isEncryptedPem(text)) throw error;
    const isUnsupported = /unsupported/i.test(String((error as { code?: unknown }).code));
    if (isUnsupported) throw new Error('holds a key with outdated encryption', { cause: error });
    throw new Error('the passphrase is wrong', { cause: error });
  }
}

/** The curves of RFC 5656, by their names in OpenSSL. */
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** Ed25519 has no other format in SSH than openssh-key-v1 (PROTOCOL.key of OpenSSH). */
function opensshOf(key: KeyObject): string {
  const { x = '', d = '' } = key.export({ format: 'jwk' });
  const publicKey = Buffer.from(x, 'base64url');
  const secret = Buffer.concat([Buffer.from(d, 'base64url'), publicKey]);
  const type = Buffer.from('ssh-ed25519');
  const none = field(Buffer.from('none'));
  const check = Buffer.alloc(8);
  const open = Buffer.concat([check, field(type), field(publicKey), field(secret), field(Buffer.alloc(0))]);
  const padding = Buffer.from(Array.from({ length: (8 - (open.length % 8)) % 8 }, (_, at) => at + 1));
  const bytes = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    none,
    none,
    field(Buffer.alloc(0)),
    Buffer.from([0, 0, 0, 1]),
    field(Buffer.concat([field(type), field(publicKey)])),
    field(Buffer.concat([open, padding])),
  ]);
  const lines = bytes.toString('base64').match(/.{1,70}/g) ?? [];
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}

function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** What a file is that cannot be read, with the command that converts it; undefined when that is not known. */
export function foreignFormat(text: Buffer, path: string): string | undefined {
  const start = text.toString('latin1', 0, 4096).trimStart();
  const quoted = /^[\w./~+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
  const putty = /^PuTTY-User-Key-File-(\d+): ([\w@.-]+)/.exec(start);
  if (putty) {
    const [, version = '', type = ''] = putty;
    const command = `puttygen ${quoted} -O private-openssh -o ${quoted.replace(/'?$/, end => `.openssh${end}`)}`;
    return `is a PuTTY key of version ${version} and type ${type}; convert it with ${command}`;
  }
  if (/^---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----/.test(start)) {
    return `is a key of SSH.com's format; convert it with ssh-keygen -i -f ${quoted}`;
  }
  if (text.length > 0 && text[0] === 0x30) {
    return `may be a key in DER; convert it with openssl pkey -inform DER -in ${quoted}`;
  }
  return undefined;
}
