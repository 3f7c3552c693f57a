/** Where and how a drone is reached. Drone objects that name the same place in the same way share it. */
import { inspect } from 'node:util';
import { encode } from '../wire/codec/codec.js';
import { utilityIdOf } from '../wire/utility-id.js';
import { encodeBatchHead, type EndpointSpec } from '../wire/messages.js';

/** The channel that a worker thread opened to a drone on the main thread. */
export interface RelayedChannel {
  /** The start marker that the thread waits for. */
  readonly marker: string;
  /** Sends bytes to the thread, as an agent's stdout would. */
  send(bytes: Uint8Array): void;
  /** Ends the channel, as an agent's death would. */
  end(cause: Error | undefined): void;
}

/** A drone on the main thread that plays the agent. */
export interface FarEnd {
  /** Bytes that the thread wrote to the agent's stdin; valid only during the call. */
  receive(bytes: Uint8Array): void;
  /** The thread ended the channel, or died. */
  ended(): void;
}

/** Opens the far end of a channel; for drones that live on the main thread. */
export type OpenFarEnd = (channel: RelayedChannel) => FarEnd;

/** A function of the caller that a transport may ask; see Question. May return a promise. */
export type AnswerQuestion = (about: unknown) => unknown;

const NO_ANSWERS: ReadonlyMap<string, AnswerQuestion> = new Map();

export class Endpoint {
  readonly spec: EndpointSpec;
  readonly openFarEnd: OpenFarEnd | undefined;
  /** By the key of the question. */
  readonly answers: ReadonlyMap<string, AnswerQuestion>;
  /** Names the user's utility module in calls; empty for none. */
  readonly utilityId: string;
  #head: Uint8Array | undefined;

  constructor(spec: EndpointSpec, openFarEnd?: OpenFarEnd, answers = NO_ANSWERS) {
    this.spec = spec;
    this.openFarEnd = openFarEnd;
    this.answers = answers;
    this.utilityId = spec.utility === undefined ? '' : utilityIdOf(spec.utility);
  }

  /** The spec holds secrets. */
  [inspect.custom](): string {
    return `Endpoint(${this.key})`;
  }

  get key(): string {
    return this.spec.key;
  }

  /** Endpoints of one route are served by one thread. */
  get route(): string {
    return this.spec.route ?? this.spec.key;
  }

  /** Key and spec as they travel in front of each batch, made once. */
  get head(): Uint8Array {
    return (this.#head ??= encodeBatchHead(this.key, encode(this.spec)));
  }
}
