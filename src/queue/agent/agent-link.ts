import type { FrameType } from '../wire/messages.js';

/** The way to the controller. One without `congested`, `drained` and `flush` takes all that it is given at once. */
export interface AgentLink {
  /** Copies the payload. */
  send(type: FrameType, batch: number, index: number, payload?: Uint8Array): void;
  readonly congested?: boolean;
  /** Resolves when it takes more. */
  drained?(): Promise<void>;
  flush?(): void;
}

/** Output or files of the call that a batch is at. */
export interface AgentStream {
  readonly index: number;
  /** Takes a Credit, Data or DataEnd frame. Throws ProtocolError when it makes no sense. */
  take(type: number, payload: Uint8Array): void;
  /** The call is over, or the link gone. */
  close(): void;
}
