/** Connects worker threads with drones that live on the main thread (FakeDrone). */
import { decode, encode } from '../wire/codec/codec.js';
import type { Endpoint, FarEnd, OpenFarEnd } from '../drone/endpoint.js';
import { piecesOf } from '../wire/frames.js';
import type { Place } from '../thread/runner.js';
import { FrameType, type RelayOpening } from '../wire/messages.js';

export class RelaySwitch {
  readonly #openers = new Map<string, OpenFarEnd>();
  readonly #farEnds = new Map<Place, Map<number, FarEnd>>();

  know(endpoint: Endpoint): void {
    if (endpoint.openFarEnd) this.#openers.set(endpoint.key, endpoint.openFarEnd);
  }

  /** Takes a relay frame from a thread. */
  take(place: Place, type: number, channel: number, payload: Uint8Array): void {
    const farEnds = this.#farEndsOf(place);
    if (type === FrameType.RelayOpen) {
      const { key, marker } = decode(payload) as RelayOpening;
      const openFarEnd = this.#openers.get(key);
      if (openFarEnd) farEnds.set(channel, this.#open(place, channel, marker, openFarEnd));
    } else if (type === FrameType.RelayData) {
      farEnds.get(channel)?.receive(payload);
    } else {
      const farEnd = farEnds.get(channel);
      farEnds.delete(channel);
      farEnd?.ended();
    }
  }

  /** The thread is gone, with its channels. */
  drop(place: Place): void {
    const farEnds = this.#farEnds.get(place);
    this.#farEnds.delete(place);
    for (const farEnd of farEnds?.values() ?? []) farEnd.ended();
  }

  #open(place: Place, channel: number, marker: string, openFarEnd: OpenFarEnd): FarEnd {
    let ended = false;
    const farEnd = openFarEnd({
      marker,
      send: bytes => {
        if (ended) return;
        for (const piece of piecesOf(bytes)) place.send(FrameType.RelayData, channel, 0, piece);
      },
      end: cause => {
        if (ended) return;
        ended = true;
        this.#farEndsOf(place).delete(channel);
        place.send(FrameType.RelayEnd, channel, 0, encode(cause));
      },
    });
    return {
      receive: bytes => farEnd.receive(bytes),
      ended: () => {
        ended = true;
        farEnd.ended();
      },
    };
  }

  #farEndsOf(place: Place): Map<number, FarEnd> {
    let farEnds = this.#farEnds.get(place);
    if (farEnds === undefined) {
      farEnds = new Map();
      this.#farEnds.set(place, farEnds);
    }
    return farEnds;
  }
}
