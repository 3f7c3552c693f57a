import type { FrameType } from '../wire/messages.js';

/** The way to the controller. Without `congested`, `drained` and `flush` it takes everything at once. */
export interface AgentLink {
  send(type: FrameType, batch: number, index: number, payload?: Uint8Array): void;
  readonly congested?: boolean;
  drained?(): Promise<void>;
  flush?(): void;
}

/** The output or files of a batch's running call. */
export interface AgentStream {
  readonly index: number;
  /** Takes a Credit, Data or DataEnd frame. Throws a ProtocolError for an invalid one. */
  take(type: number, payload: Uint8Array): void;
  close(): void;
}
