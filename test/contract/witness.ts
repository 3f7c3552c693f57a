/** Sees the events of one kind while it lives. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { EventMessages, EventName } from 'drone-task-queue';

export class Witness<K extends EventName> implements Disposable {
  readonly seen: EventMessages[K][] = [];
  readonly #name: K;
  #look: () => void = () => undefined;

  constructor(name: K) {
    this.#name = name;
    subscribe(name, this.#note);
  }

  readonly #note = (message: unknown): void => {
    this.seen.push(message as EventMessages[K]);
    this.#look();
  };

  /** The first event, seen already or still to come, that it is true of. */
  async first(isIt: (message: EventMessages[K]) => boolean = () => true): Promise<EventMessages[K]> {
    // An idle queue does not keep the process, and then nobody would.
    const held = setInterval(() => undefined, 2 ** 30);
    try {
      for (;;) {
        const found = this.seen.find(isIt);
        if (found) return found;
        await new Promise<void>(resolve => {
          this.#look = resolve;
        });
      }
    } finally {
      clearInterval(held);
    }
  }

  [Symbol.dispose](): void {
    unsubscribe(this.#name, this.#note);
  }
}
