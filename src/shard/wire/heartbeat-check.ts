/** Whether what came over the wire is what it should be. */
import type { TObject } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { type HeartbeatPacket, HeartbeatPacketSchema, type HeartbeatReply, HeartbeatReplySchema } from './heartbeat.js';

/** Compiled at first use, as that costs some ms; uncompiled, a packet with 50,000 ids took half a second. */
let packetValidator: Validator | undefined;
let replyValidator: Validator | undefined;

/** Throws TypeError, which names the first field at fault and not its value. Changes nothing in the value. */
export function checkPacket(value: unknown): asserts value is HeartbeatPacket {
  packetValidator ??= Compile(HeartbeatPacketSchema);
  check(packetValidator, HeartbeatPacketSchema, 'packet', value);
}

/** Throws TypeError, as checkPacket. */
export function checkReply(value: unknown): asserts value is HeartbeatReply {
  replyValidator ??= Compile(HeartbeatReplySchema);
  check(replyValidator, HeartbeatReplySchema, 'reply', value);
}

interface Problem {
  readonly path: string;
  readonly message: string;
}

const UNCLEAR = 'is not as it should be';

function check(validator: Validator, schema: TObject, what: string, value: unknown): void {
  if (validator.Check(value)) return;
  const { path, message } =
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? problemIn(validator, schema, value)
      : { path: '', message: 'must be object' };
  throw new TypeError(`the ${what}${path === '' ? '' : `'s ${path}`} ${message}`);
}

/**
 * Validator.Errors() goes through all of a list, and takes some 300 bytes for each item at fault: a packet of 16 million
 * bad ids, 32 KB on the wire, would end a master. So it is asked about a sample, with one item of each list at the most.
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
