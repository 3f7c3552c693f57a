/** The heartbeat protocol: a packet and its reply. The types are made from the schemas. */
import { type Static, Type } from 'typebox';

/** Raised when a field changes its meaning; new fields are optional, and unknown ones are ignored. */
export const HEARTBEAT_VERSION = 1;

/** Most jobs that a packet may upload. */
export const MAX_UPLOADED_JOBS = 10_000;
/**
 * Most items of any other list in a packet. A reply has no such limit: it is committed, and the next one would be the same.
 */
const MAX_LISTED = 500_000;

const Id = Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 });

/** Rows of a table by column names, with related rows under further names. Each is checked when it is taken over. */
const Records = Type.Array(Type.Unknown());

/** Schema of `HeartbeatPacket`, for custom links. */
export const HeartbeatPacketSchema = Type.Object({
  version: Type.Integer({ minimum: 1 }),
  /** The sender; its token must be that shard's. */
  shardHostname: Type.String({ minLength: 1, maxLength: 255 }),
  /** Jobs with open entries, and jobs to upload. */
  knownJobIds: Type.Array(Id, { maxItems: MAX_LISTED }),
  /** Valid hosts and their status. */
  knownHosts: Type.Array(Type.Object({ id: Id, status: Type.String() }), { maxItems: MAX_LISTED }),
  /**
   * Hosts of the shard that have an open entry there. Older shards do not send this list; the master does not take back
   * any host from those.
   */
  busyHostIds: Type.Optional(Type.Array(Id, { maxItems: MAX_LISTED })),
  /** Finished jobs that have not been acknowledged yet, with all of their entries but without related rows. */
  jobs: Type.Array(Type.Unknown(), { maxItems: MAX_UPLOADED_JOBS }),
  entries: Type.Array(Type.Unknown(), { maxItems: MAX_LISTED }),
});

/** Schema of `Refused`. */
export const RefusedSchema = Type.Object({
  record: Type.Union([Type.Literal('host'), Type.Literal('job'), Type.Literal('entry')]),
  /** Null if the record has no valid id. */
  id: Type.Union([Id, Type.Null()]),
  reason: Type.String(),
});

/** Schema of `HeartbeatReply`. */
export const HeartbeatReplySchema = Type.Object({
  version: Type.Integer({ minimum: 1 }),
  /** New records for the shard, with related rows. */
  hosts: Records,
  jobs: Records,
  /** Keyvals of those jobs' parents. */
  jobKeyvals: Records,
  /** Known hosts that do not exist or do not belong to the shard. */
  incorrectHostIds: Type.Array(Id),
  /** Uploaded jobs that are saved with all of their entries. */
  acknowledgedJobIds: Type.Array(Id),
  refused: Type.Array(RefusedSchema),
});

/** A shard's state and uploads. */
export type HeartbeatPacket = Static<typeof HeartbeatPacketSchema>;
/** What the master assigns, acknowledges and refuses. */
export type HeartbeatReply = Static<typeof HeartbeatReplySchema>;
/** A record that the master did not accept. */
export type Refused = Static<typeof RefusedSchema>;
