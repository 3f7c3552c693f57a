import type { HeartbeatPacket, HeartbeatReply } from './heartbeat.js';

/** A heartbeat's reply and sizes. */
export interface HeartbeatExchange {
  /** Checked against its schema. */
  readonly reply: HeartbeatReply;
  /** Sizes of the bodies before compression. */
  readonly requestBytes: number;
  readonly responseBytes: number;
}

/** Carries heartbeats to the master: over HTTP (`HttpMasterLink`), or in a custom way. */
export interface MasterLink {
  /**
   * Rejects with a HeartbeatError for every failure that is not a defect, and with the reason of an aborted signal.
   * Must limit its own time.
   */
  heartbeat(packet: HeartbeatPacket, signal: AbortSignal): Promise<HeartbeatExchange>;
}
