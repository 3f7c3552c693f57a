/** Runs batches on the main thread: the same dispatcher as in a worker thread, without the thread. */
import { Dispatcher } from '../thread/dispatcher.js';
import { FrameWriter } from '../frames.js';
import { Outbox } from '../outbox.js';
import type { Outgoing, Place, Runner, RunnerEvents } from '../runner.js';
import type { ThreadSettings } from '../wire.js';

export class InlineRunner implements Runner {
  readonly #dispatcher: Dispatcher;
  readonly #place: Place;

  constructor(settings: ThreadSettings, events: RunnerEvents) {
    this.#dispatcher = new Dispatcher(settings, bytes => {
      events.frames(this.#place, bytes);
    });
    const outbox = new Outbox(this.#dispatcher.receive);
    this.#place = {
      threadId: 0,
      send: (type, batch, index, payload) => {
        outbox.frame(type, batch, index, payload);
      },
    };
  }

  start(batches: readonly Outgoing[]): readonly Place[] {
    const writer = new FrameWriter();
    for (const batch of batches) batch.write(writer);
    void this.#dispatcher.run(writer.take());
    return batches.map(() => this.#place);
  }

  place(): Place {
    return this.#place;
  }

  close(graceMs: number): Promise<void> {
    return this.#dispatcher.close(graceMs);
  }
}
