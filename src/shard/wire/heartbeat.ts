/** What a shard and its master say to each other: one packet, one reply. The schemas are the types' only source. */
import { type Static, Type } from 'typebox';

/** Raised when a field changes its meaning; new fields are optional, and those that are not known are ignored. */
export const HEARTBEAT_VERSION = 1;

/** Jobs that a shard may upload with one packet. */
export const MAX_UPLOADED_JOBS = 10_000;
/**
 * All else that a packet may list. What is over costs the master no look at any of it. A reply has no such limit: what it
 * tells is written down already, and would be the same with the next heartbeat.
 */
const MAX_LISTED = 500_000;

const Id = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 });

/**
 * A record: a row of one of the farm's tables by its columns' names, and what belongs to it under names of its own. It is
 * checked one by one, where it is taken over: one that is wrong costs none of the others.
 */
const Records = Type.Array(Type.Unknown());

/** Of `HeartbeatPacket`, for a wire of your own. */
export const HeartbeatPacketSchema = Type.Object({
  version: Type.Integer({ minimum: 1 }),
  /** Who speaks; its token must be that shard's. */
  shardHostname: Type.String({ minLength: 1, maxLength: 255 }),
  /** Jobs with an entry that is not complete, and those that are to be uploaded. */
  knownJobIds: Type.Array(Id, { maxItems: MAX_LISTED }),
  /** Hosts that are not invalid, and their status. */
  knownHosts: Type.Array(Type.Object({ id: Id, status: Type.String() }), { maxItems: MAX_LISTED }),
  /** Jobs that are finished and were not acknowledged yet, and all entries of theirs; without what belongs to them. */
  jobs: Type.Array(Type.Unknown(), { maxItems: MAX_UPLOADED_JOBS }),
  entries: Type.Array(Type.Unknown(), { maxItems: MAX_LISTED }),
});

/** Why the master did not take a record over. */
export const RefusedSchema = Type.Object({
  record: Type.Union([Type.Literal('host'), Type.Literal('job'), Type.Literal('entry')]),
  /** Null when not even that could be read. */
  id: Type.Union([Id, Type.Null()]),
  reason: Type.String(),
});

/** Of `HeartbeatReply`. */
export const HeartbeatReplySchema = Type.Object({
  version: Type.Integer({ minimum: 1 }),
  /** For the shard to have, with what belongs to them. */
  hosts: Records,
  jobs: Records,
  /** Of the parents of those jobs. */
  jobKeyvals: Records,
  /** Known hosts that are not the shard's, or are not there. */
  incorrectHostIds: Type.Array(Id),
  /** Uploaded jobs that are persisted with all of their entries: the shard need not send them again. */
  acknowledgedJobIds: Type.Array(Id),
  refused: Type.Array(RefusedSchema),
});

/** What a shard says of itself. */
export type HeartbeatPacket = Static<typeof HeartbeatPacketSchema>;
/** What the master gives it to do. */
export type HeartbeatReply = Static<typeof HeartbeatReplySchema>;
/** A record that the master did not take over. */
export type Refused = Static<typeof RefusedSchema>;
