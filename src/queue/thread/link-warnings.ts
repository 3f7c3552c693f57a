/**
 * Passes an agent's warnings to the main thread, up to a limit per interval: logging and publishing one costs more than
 * sending it, and nothing bounds how many wait. One warning reports the number of the rest.
 */
import { type Clock, systemClock, type Timer } from '../../wait/clock.js';
import { decode, encode } from '../wire/codec/codec.js';
import { ProtocolError } from '../wire/frames.js';
import type { Outbox } from './outbox.js';
import { type EndpointSpec, FrameType, type LinkReport } from '../wire/messages.js';

const INTERVAL_MS = 15_000;
const MAX_WARNINGS = 1000;
const MAX_BYTES = 1024 * 1024;

export class LinkWarnings {
  readonly #spec: EndpointSpec;
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  /** Runs for the interval; undefined without warnings. */
  #timer: Timer | undefined;
  #passed = 0;
  #passedBytes = 0;
  #leftOut = 0;
  #isOver = false;

  constructor(spec: EndpointSpec, outbox: Outbox, clock = systemClock) {
    this.#spec = spec;
    this.#outbox = outbox;
    this.#clock = clock;
  }

  /** A Warning frame's payload, with the frame if it is of a batch. Throws a ProtocolError for anything but text. */
  take(payload: Uint8Array, frameOfBatch: Uint8Array | undefined): void {
    if (!this.#mayPass(payload.byteLength)) return;
    const message = decode(payload);
    // A few bytes can encode a list whose text has hundreds of megabytes.
    if (typeof message !== 'string') throw new ProtocolError('a warning that is not text');
    if (frameOfBatch === undefined) this.#report(message);
    else this.#outbox.whole(frameOfBatch);
  }

  /** An agent's output beside its frames. */
  readonly tell = (message: string): void => {
    if (this.#mayPass(message.length)) this.#report(message);
  };

  /** Passes nothing from now on. */
  end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#closeInterval();
  }

  #mayPass(bytes: number): boolean {
    if (this.#isOver) return false;
    if (this.#timer === undefined) {
      this.#timer = this.#clock.setTimer(INTERVAL_MS, () => this.#closeInterval());
      this.#timer.unref();
    }
    if (this.#passed >= MAX_WARNINGS || this.#passedBytes + bytes > MAX_BYTES) {
      this.#leftOut++;
      return false;
    }
    this.#passed++;
    this.#passedBytes += bytes;
    return true;
  }

  #closeInterval(): void {
    const leftOut = String(this.#leftOut);
    const most = `${String(MAX_WARNINGS)} warnings and ${String(MAX_BYTES)} bytes in ${String(INTERVAL_MS)} ms`;
    if (this.#leftOut > 0) this.#report(`and ${leftOut} more warnings, omitted: at most ${most} are passed on`);
    this.#timer = undefined;
    this.#passed = 0;
    this.#passedBytes = 0;
    this.#leftOut = 0;
  }

  #report(message: string): void {
    const { key, hostname } = this.#spec;
    const report: LinkReport = { state: 'warning', key, hostname, message };
    this.#outbox.lazily(FrameType.Link, 0, 0, encode(report));
  }
}
