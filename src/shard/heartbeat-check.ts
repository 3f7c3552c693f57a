/** Whether what came over the wire is what it should be. */
import { Compile, type Validator } from 'typebox/compile';
import { type HeartbeatPacket, HeartbeatPacketSchema, type HeartbeatReply, HeartbeatReplySchema } from './heartbeat.js';

/** Compiled at first use, as that costs some ms; uncompiled, a packet with 50,000 ids took half a second. */
let packetValidator: Validator | undefined;
let replyValidator: Validator | undefined;

/** Throws TypeError, which names the first field at fault and not its value. Changes nothing in the value. */
export function checkPacket(value: unknown): asserts value is HeartbeatPacket {
  packetValidator ??= Compile(HeartbeatPacketSchema);
  check(packetValidator, 'packet', value);
}

/** Throws TypeError, as checkPacket. */
export function checkReply(value: unknown): asserts value is HeartbeatReply {
  replyValidator ??= Compile(HeartbeatReplySchema);
  check(replyValidator, 'reply', value);
}

function check(validator: Validator, what: string, value: unknown): void {
  if (validator.Check(value)) return;
  const [problem] = validator.Errors(value);
  const { instancePath = '', message = 'is not as it should be' } = problem ?? {};
  throw new TypeError(`the ${what}${instancePath === '' ? '' : `'s ${instancePath}`} ${message}`);
}
