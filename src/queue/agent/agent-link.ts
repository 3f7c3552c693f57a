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
