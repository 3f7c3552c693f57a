/**
 * The threads of a queue: sends them batches and probes, passes their frames to the listeners, and serves their requests
 * for a FakeDrone's channel or an answer of the caller's own function.
 */
import { Answers } from './answers.js';
import { decode } from '../wire/codec/codec.js';
import type { Endpoint } from '../drone/endpoint.js';
import { FrameReader, type FrameWriter } from '../wire/frames.js';
import { AGENT_ABANDONED, FrameType, type LinkReport } from '../wire/messages.js';
import { RelaySwitch } from './relay-switch.js';
import type { Reports } from './reports.js';
import type { Place, Refused, Runner, RunnerEvents } from '../thread/runner.js';
import type { Abandoned } from '../task-queue.js';

export interface ThreadListener {
  /** Takes a frame; returns whether `id` is its own. */
  take(type: number, id: number, index: number, payload: Uint8Array): boolean;
  lose(place: Place, cause: unknown): void;
}

export interface Outgoing {
  readonly endpoint: Endpoint;
  write(writer: FrameWriter): void;
}

export class Threads {
  readonly #reports: Reports;
  readonly #runner: Runner;
  readonly #listeners: ThreadListener[] = [];
  readonly #readers = new WeakMap<Place, FrameReader>();
  readonly #relays = new RelaySwitch();
  readonly #answers = new Answers();
  /** Agents abandoned while the queue was closing, by endpoint: the last word on each. */
  readonly #abandoned = new Map<string, Abandoned>();
  #isClosing = false;
  #lastId = 0;

  constructor(reports: Reports, makeRunner: (events: RunnerEvents) => Runner) {
    this.#reports = reports;
    this.#runner = makeRunner({
      frames: (place, bytes) => this.#readerOf(place).push(bytes),
      lost: (place, cause) => {
        this.#relays.drop(place);
        for (const listener of this.#listeners) listener.lose(place, cause);
        reports.threadLost(place.threadId, cause);
      },
    });
  }

  listen(listener: ThreadListener): void {
    this.#listeners.push(listener);
  }

  /** Numbers a batch or a probe. */
  nextId(): number {
    this.#lastId = (this.#lastId % 0xffff_ffff) + 1;
    return this.#lastId;
  }

  /** Starts batches; returns the place of each, in the same order. */
  start(batches: readonly Outgoing[]): readonly (Place | Refused)[] {
    for (const { endpoint } of batches) this.#know(endpoint);
    return this.#runner.start(batches.map(batch => ({ route: batch.endpoint.route, write: batch.write })));
  }

  /** The thread that serves the endpoint; may throw. */
  placeOf(endpoint: Endpoint): Place {
    this.#know(endpoint);
    return this.#runner.place(endpoint.route);
  }

  /** Agents abandoned from now on are in the report of `close`. */
  startClosing(): void {
    this.#isClosing = true;
  }

  /** Ends agents, connections and threads; resolves with those that remain. */
  async close(graceMs: number): Promise<readonly Abandoned[]> {
    const stuck = await this.#runner.close(graceMs);
    return [...this.#abandoned.values(), ...stuck.map((thread): Abandoned => ({ what: 'thread', ...thread }))];
  }

  #know(endpoint: Endpoint): void {
    this.#relays.know(endpoint);
    this.#answers.know(endpoint);
  }

  #readerOf(place: Place): FrameReader {
    let reader = this.#readers.get(place);
    if (reader === undefined) {
      reader = new FrameReader((type, id, index, payload) => this.#take(place, type, id, index, payload));
      this.#readers.set(place, reader);
    }
    return reader;
  }

  #take(place: Place, type: number, id: number, index: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.RelayOpen:
      case FrameType.RelayData:
      case FrameType.RelayEnd:
        this.#relays.take(place, type, id, payload);
        return;
      case FrameType.Ask:
        void this.#answers.take(place, id, payload);
        return;
      case FrameType.Link:
        this.#takeLink(place, decode(payload) as LinkReport);
        return;
    }
    // No listener takes late frames of settled batches, or a thread's Pong.
    this.#listeners.some(listener => listener.take(type, id, index, payload));
  }

  #takeLink({ threadId }: Place, report: LinkReport): void {
    const { key, hostname, error } = report;
    const { code, message = '' } = (error ?? {}) as { code?: unknown; message?: string };
    if (this.#isClosing && code === AGENT_ABANDONED) {
      this.#abandoned.set(key, { what: 'agent', threadId, hostname, message });
    }
    this.#reports.link(report);
  }
}
