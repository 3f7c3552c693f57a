/** Sees the events of one kind while it lives. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { EventMessages } from 'drone-task-queue';
import type { SectionEnd, SectionRetry, SectionSlow } from 'drone-task-queue/store';

/** The messages of the core and of stores, by the name of their channel. */
interface Messages extends EventMessages {
  'drone-task-queue:section.end': SectionEnd;
  'drone-task-queue:section.slow': SectionSlow;
  'drone-task-queue:section.retry': SectionRetry;
}

export class Witness<K extends keyof Messages> implements Disposable {
  readonly seen: Messages[K][] = [];
  readonly #name: K;
  #look: () => void = () => undefined;

  constructor(name: K) {
    this.#name = name;
    subscribe(name, this.#note);
  }

  readonly #note = (message: unknown): void => {
    this.seen.push(message as Messages[K]);
    this.#look();
  };

  /** The first event, seen already or still to come, that it is true of. */
  async first(isIt: (message: Messages[K]) => boolean = () => true): Promise<Messages[K]> {
    // An idle queue does not keep the process, and then nothing would.
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
