/** Checks packets and replies against their schemas. */
import type { TObject } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { type HeartbeatPacket, HeartbeatPacketSchema, type HeartbeatReply, HeartbeatReplySchema } from './heartbeat.js';

/** Compiled at first use, which takes some ms; an uncompiled check of a packet with 50,000 ids took half a second. */
const validators = new Map<TObject, Validator>();

/** Throws a TypeError, which names the first wrong field but not its value. */
export function checkPacket(value: unknown): asserts value is HeartbeatPacket {
  check('packet', HeartbeatPacketSchema, value);
}

/** Throws a TypeError, as checkPacket. */
export function checkReply(value: unknown): asserts value is HeartbeatReply {
  check('reply', HeartbeatReplySchema, value);
}

interface Problem {
  readonly path: string;
  readonly message: string;
}

const UNCLEAR = 'is invalid';

function check(what: string, schema: TObject, value: unknown): void {
  const validator = validators.get(schema) ?? Compile(schema);
  validators.set(schema, validator);
  if (validator.Check(value)) return;
  const { path, message } =
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? problemIn(validator, schema, value)
      : { path: '', message: 'must be object' };
  throw new TypeError(`the ${what}${path === '' ? '' : `'s ${path}`} ${message}`);
}

/**
 * Looks at a sample with at most one item of each list: Validator.Errors() takes some 300 bytes for each wrong item, and a
 * packet of 16 million bad ids, 32 KB on the wire, would end a master.
 */
function problemIn(validator: Validator, schema: TObject, value: Readonly<Record<string, unknown>>): Problem {
  const known = Object.keys(schema.properties).filter(name => Object.hasOwn(value, name));
  const lists = known.filter(name => Array.isArray(value[name]));
  const sample = Object.fromEntries(known.map(name => [name, lists.includes(name) ? [] : value[name]]));
  if (!validator.Check(sample)) return firstOf(validator, sample);
  for (const name of lists) {
    const list = value[name] as readonly unknown[];
    const { maxItems = Infinity } = schema.properties[name] as { maxItems?: number };
    if (list.length > maxItems)
      return { path: `/${name}`, message: `must not have more than ${String(maxItems)} items` };
    const at = list.findIndex(item => !validator.Check({ ...sample, [name]: [item] }));
    if (at < 0) continue;
    const { path, message } = firstOf(validator, { ...sample, [name]: [list[at]] });
    return { path: path.replace(/\/0(?=\/|$)/, `/${String(at)}`), message };
  }
  return { path: '', message: UNCLEAR };
}

function firstOf(validator: Validator, value: unknown): Problem {
  const [problem] = validator.Errors(value);
  const { instancePath = '', message = UNCLEAR } = problem ?? {};
  return { path: instancePath, message };
}
