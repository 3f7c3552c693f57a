/** Stops reading a channel while what it brought has to wait. The server then stops the command. */
import type { ClientChannel } from 'ssh2';

export class ChannelFlow {
  readonly #channel: ClientChannel;
  #paused: Promise<void> | undefined;
  #pauses = 0;

  constructor(channel: ClientChannel) {
    this.#channel = channel;
  }

  /** Settles when the channel is read again; undefined while it is. */
  get paused(): Promise<void> | undefined {
    return this.#paused;
  }

  get pauses(): number {
    return this.#pauses;
  }

  pauseUntil(ready: Promise<void>): void {
    if (this.#paused !== undefined) return;
    this.#channel.pause();
    this.#channel.stderr.pause();
    this.#pauses++;
    this.#paused = ready.then(() => {
      this.#paused = undefined;
      this.resume();
    });
  }

  resume(): void {
    this.#channel.resume();
    this.#channel.stderr.resume();
  }
}
