/** Runs batches on the main thread, with the dispatcher of a worker thread. */
import { Dispatcher } from './dispatcher.js';
import { FrameWriter } from '../wire/frames.js';
import { Outbox } from './outbox.js';
import type { Outgoing, Place, Refused, Runner, RunnerEvents, StuckThread } from './runner.js';
import type { ThreadSettings } from '../wire/messages.js';

export class InlineRunner implements Runner {
  readonly #dispatcher: Dispatcher;
  readonly #place: Place;

  constructor(settings: ThreadSettings, events: RunnerEvents) {
    this.#dispatcher = new Dispatcher(settings, bytes => events.frames(this.#place, bytes));
    const outbox = new Outbox(this.#dispatcher.receive);
    this.#place = {
      threadId: 0,
      send: (type, batch, index, payload) => outbox.frame(type, batch, index, payload),
    };
  }

  start(batches: readonly Outgoing[]): readonly (Place | Refused)[] {
    const writer = new FrameWriter();
    const placements = batches.map((batch): Place | Refused => {
      try {
        writer.wholly(batch);
        return this.#place;
      } catch (error) {
        return { refused: error };
      }
    });
    if (!writer.empty) void this.#dispatcher.run(writer.take());
    return placements;
  }

  place(): Place {
    return this.#place;
  }

  async close(graceMs: number): Promise<readonly StuckThread[]> {
    await this.#dispatcher.close(graceMs);
    return [];
  }
}
