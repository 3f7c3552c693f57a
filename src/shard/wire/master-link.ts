/** The way from a shard to its master. */
import type { HeartbeatPacket, HeartbeatReply } from './heartbeat.js';

/** One heartbeat's way there and back. */
export interface HeartbeatExchange {
  /** Checked against its schema. */
  readonly reply: HeartbeatReply;
  /** Of the body as it was sent, before it was made smaller. */
  readonly requestBytes: number;
  readonly responseBytes: number;
}

/** A way to the master: over HTTP (`HttpMasterLink`), or of your own. */
export interface MasterLink {
  /**
   * Resolves with the master's reply. Rejects with a HeartbeatError in all cases that are no defect of this program; with
   * the signal's reason when that is aborted. Bounds its time itself.
   */
  heartbeat(packet: HeartbeatPacket, signal: AbortSignal): Promise<HeartbeatExchange>;
}
