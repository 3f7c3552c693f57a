/** The name or address of a host, checked when a drone is made: a typing error must not end as "name not found". */
import { isIPv6 } from 'node:net';
import { inspect } from 'node:util';
import { invalidArgument } from '../../../option/invalid-argument.js';
import { Option } from '../../../option/option-table.js';

const EXPECTED = 'a host name or an IP address without brackets';
const LONGEST_CHARS = 255;
/** `[ssh://][user@]host[:port][/]`, with an IPv6 address in brackets. */
const ADDRESS = /^(?:ssh:\/\/)?(?:([^@]+)@)?(?:\[([^\]]+)\]|([^\s:@/[\]]+))(?::(\d{1,5}))?\/?$/;

export const HOST = new Option<string>(EXPECTED, (value, field) => {
  if (value === undefined || isHost(value)) return value;
  throw invalidHost(field, value, EXPECTED);
});

export function isHost(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > LONGEST_CHARS) return false;
  return /^[^\s\0-\x1f\x7f@/[\]]+$/.test(value) && (!value.includes(':') || isIPv6(value));
}

/** The message gives the options that an address such as `user@host:port` stands for, and shows no password. */
export function invalidHost(field: string, value: unknown, expected: string): TypeError {
  const [, user, bracketed, plain, port] = (typeof value === 'string' ? ADDRESS.exec(value) : undefined) ?? [];
  const host = bracketed ?? plain;
  // `user:password@host` is an address, too.
  const isSecret = typeof value === 'string' && /:.*@/.test(value.replace(/^ssh:\/\//, ''));
  const shown = isSecret ? value.replace(/^.*@/, '…@') : value;
  if (!isHost(host)) return invalidArgument(field, shown, expected);
  const options = [
    ...(user === undefined ? [] : [`user: ${isSecret ? '…' : inspect(user)}`]),
    ...(port === undefined ? [] : [`port: ${String(Number(port))}`]),
  ];
  const beside = options.length === 0 ? '' : ` with the options { ${options.join(', ')} }`;
  return invalidArgument(field, shown, `${expected}: ${inspect(host)}${beside}`);
}
