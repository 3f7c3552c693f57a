/** A packet and its reply over a link, which may be the user's own and is not trusted to be right. */
import { invalidArgument } from '../../option/invalid-argument.js';
import { StoreError } from '../../store/store-error.js';
import { HEARTBEAT_VERSION, type HeartbeatPacket } from '../wire/heartbeat.js';
import { checkReply } from '../wire/heartbeat-check.js';
import { HeartbeatError } from '../wire/heartbeat-error.js';
import type { HeartbeatExchange, MasterLink } from '../wire/master-link.js';
import type { HeartbeatFailureCode } from './client-reports.js';
import { isPassing } from './store-trouble.js';

/** A link's wrong rejection or value, which must not pass for an error of the database. */
export class LinkDefect extends Error {
  constructor(cause: unknown) {
    super('the link rejected with something other than a HeartbeatError', { cause });
  }
}

/** Rejects with a HeartbeatError, or with LinkDefect. */
export async function askMaster(
  link: MasterLink,
  packet: HeartbeatPacket,
  signal: AbortSignal,
): Promise<HeartbeatExchange> {
  let exchange: unknown;
  try {
    exchange = await link.heartbeat(packet, signal);
    checkExchange(exchange);
  } catch (error) {
    throw error instanceof HeartbeatError ? error : new LinkDefect(error);
  }
  const { reply } = exchange;
  try {
    checkReply(reply);
  } catch (error) {
    const text = `the link did not return a master's reply: ${(error as Error).message}`;
    throw new HeartbeatError('ERR_REPLY_SCHEMA', text, { cause: error });
  }
  if (reply.version > HEARTBEAT_VERSION) {
    const text = `a reply of version ${String(reply.version)}, but this shard's version is ${String(HEARTBEAT_VERSION)}`;
    throw new HeartbeatError('ERR_REPLY_SCHEMA', text);
  }
  return exchange;
}

/** Undefined when the next heartbeat would fail as well. */
export function codeOfFailure(error: unknown): HeartbeatFailureCode | undefined {
  if (error instanceof HeartbeatError) return error.code;
  if (error instanceof LinkDefect || !isPassing(error)) return undefined;
  return error instanceof StoreError ? error.code : 'ERR_STORE';
}

function checkExchange(value: unknown): asserts value is HeartbeatExchange {
  const field = "what the link's heartbeat resolved with";
  if (typeof value !== 'object' || value === null || !('reply' in value)) {
    throw invalidArgument(field, value, 'an object { reply, requestBytes, responseBytes }');
  }
  for (const name of ['requestBytes', 'responseBytes'] as const) {
    const bytes = (value as Partial<HeartbeatExchange>)[name];
    if (typeof bytes !== 'number' || !(bytes >= 0)) {
      throw invalidArgument(`${name} of ${field}`, bytes, 'the number of bytes before compression');
    }
  }
}
