/**
 * The worker thread's side of a queue: takes jobs (the batches of all its drones, in one buffer), routes each batch to the
 * link of its endpoint, and sends back the agents' answers. DroneTaskQueue runs one on the main thread.
 */
import { killsOver } from './agent-kill.js';
import { BatchRun } from './batch-run.js';
import { decode, encode } from '../wire/codec/codec.js';
import { Link, type LinkOwner } from './link.js';
// Loaded at the start: a module whose load has failed once, such as with no files left, never loads again.
import { transport as localTransport } from '../transport/local/local-transport.js';
import { WarmLinks } from './warm-links.js';
import { Outbox } from './outbox.js';
import { Questions } from './questions.js';
import type { Channel, ChannelEvents, Transport } from '../transport/transport.js';
import { FrameReader, piecesOf, ProtocolError } from '../wire/frames.js';
import { Semaphore } from '../../wait/semaphore.js';
import { decodeBatchHead, type EndpointSpec, FrameType, type ThreadSettings } from '../wire/messages.js';

/** Most are for batches that are over. One that overtakes its batch is never far ahead of it. */
const MAX_STRAY_CANCELS = 10_000;

interface Running {
  readonly batch: BatchRun;
  link: Link;
}

export class Dispatcher {
  readonly #outbox: Outbox;
  readonly #owner: LinkOwner;
  readonly #links: WarmLinks;
  readonly #running = new Map<number, Running>();
  /** Cancels for batches that are over or still to come. */
  readonly #strayCancels = new Map<number, number[]>();
  readonly #relays = new Map<number, ChannelEvents>();
  readonly #questions: Questions;
  readonly #transports = new Map<string, Promise<Transport>>();
  #lastRelay = 0;

  /** `post` gets whole frames for the main thread. */
  constructor(settings: ThreadSettings, post: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#outbox = new Outbox(post);
    this.#questions = new Questions(this.#outbox);
    this.#owner = {
      settings,
      turns: new Semaphore(settings.maxConnecting),
      outbox: this.#outbox,
      loadTransport: name => this.#loadTransport(name),
      relay: (key, marker, events) => this.#relay(key, marker, events),
      ask: (question, signal) => this.#questions.ask(question, signal),
      ended: link => this.#links.delete(link),
      idle: () => this.#links.trim(),
      moveOn: batch => this.#moveOn(batch),
    };
    this.#links = new WarmLinks(settings);
  }

  /** Runs the batches of a job; resolves when all are settled and their frames on their way. */
  run(job: Uint8Array): Promise<void> {
    return new Promise(resolve => {
      const started: Running[] = [];
      const ready: Running[] = [];
      let open = 0;
      const settled = (batch: number) => (): void => {
        this.#running.delete(batch);
        open--;
        if (open === 0) resolve();
      };
      for (const { id, key, spec, frames, callAt, cancels } of readJob(job)) {
        open++;
        const link = this.#links.use(key) ?? this.#newLink(decode(spec) as EndpointSpec);
        const batch = new BatchRun(id, frames, callAt, settled(id));
        batch.cancelledEarly.push(...cancels);
        const running = { batch, link };
        this.#running.set(id, running);
        if (link.add(batch)) ready.push(running);
        started.push(running);
      }
      for (const { batch, link } of started) {
        for (const index of this.#strayCancels.get(batch.id) ?? []) link.cancel(batch, index);
        this.#strayCancels.delete(batch.id);
      }
      // All phases `call` in one message, before the first batch leaves: see Link.send.
      this.#outbox.flush();
      for (const { batch, link } of ready) link.send(batch);
    });
  }

  /** Takes the main thread's frames beside jobs. */
  readonly receive = (bytes: Uint8Array): void => this.#control.push(bytes);

  /** Ends all agents and connections, by force after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await this.#links.close(graceMs);
    for (const loaded of await Promise.allSettled(this.#transports.values())) {
      if (loaded.status === 'fulfilled') await loaded.value.idle?.();
    }
    await killsOver();
    this.#outbox.flush();
  }

  readonly #control = new FrameReader((type, batch, index, payload) => {
    switch (type) {
      case FrameType.Cancel: {
        const running = this.#running.get(batch);
        if (running) running.link.cancel(running.batch, index);
        else this.#keepStray(batch, index);
        return;
      }
      case FrameType.Credit: {
        const running = this.#running.get(batch);
        running?.link.credit(running.batch, index, payload);
        return;
      }
      case FrameType.Ping:
        this.#outbox.frame(FrameType.Pong, 0, 0);
        return;
      case FrameType.Probe: {
        const { key, spec } = decodeBatchHead(payload);
        const link = this.#links.use(key) ?? this.#newLink(decode(spec) as EndpointSpec, false);
        link.probe(batch);
        return;
      }
      case FrameType.RelayData:
        this.#relays.get(batch)?.data(payload);
        return;
      case FrameType.RelayEnd: {
        const events = this.#relays.get(batch);
        this.#relays.delete(batch);
        events?.end(decode(payload) as Error | undefined);
        return;
      }
      case FrameType.Answer:
        this.#questions.take(batch, payload);
        return;
      default:
        throw new ProtocolError(`the main thread sent a frame of type ${String(type)}`);
    }
  });

  /** Jobs and cancels come on different ports, so a cancel may come first. */
  #keepStray(batch: number, index: number): void {
    const known = this.#strayCancels.get(batch);
    if (known) known.push(index);
    else this.#strayCancels.set(batch, [index]);
    const [oldest] = this.#strayCancels.keys();
    if (this.#strayCancels.size > MAX_STRAY_CANCELS && oldest !== undefined) this.#strayCancels.delete(oldest);
  }

  #newLink(spec: EndpointSpec, held = true): Link {
    const link = new Link(spec, this.#owner, held);
    this.#links.add(link);
    return link;
  }

  /** The batch's link ended before the batch was sent. */
  #moveOn(batch: BatchRun): void {
    const running = this.#running.get(batch.id);
    if (running === undefined) return;
    const { spec } = running.link;
    running.link = this.#links.use(spec.key) ?? this.#newLink(spec);
    if (!running.link.add(batch)) return;
    this.#outbox.flush();
    running.link.send(batch);
  }

  #loadTransport(name: string): Promise<Transport> {
    let loading = this.#transports.get(name);
    if (loading === undefined) {
      loading = importTransport(name);
      this.#transports.set(name, loading);
    }
    return loading;
  }

  #relay(key: string, marker: string, events: ChannelEvents): Channel {
    const id = ++this.#lastRelay;
    this.#relays.set(id, events);
    this.#outbox.frame(FrameType.RelayOpen, id, 0, encode({ key, marker }));
    const end = (): void => {
      if (!this.#relays.delete(id)) return;
      this.#outbox.frame(FrameType.RelayEnd, id, 0);
      events.end(undefined);
    };
    return {
      write: bytes => {
        if (!this.#relays.has(id)) return;
        for (const piece of piecesOf(bytes)) this.#outbox.frame(FrameType.RelayData, id, 0, piece);
      },
      // The main thread keeps itself alive during a round.
      hold: () => undefined,
      release: () => undefined,
      close: end,
      destroy: end,
    };
  }
}

async function importTransport(name: string): Promise<Transport> {
  if (name === 'local') return localTransport;
  if (name === 'ssh') return (await import('../transport/ssh/ssh-transport.js')).transport;
  return ((await import(name)) as { transport: Transport }).transport;
}

interface JobEntry {
  readonly id: number;
  readonly key: string;
  readonly spec: Uint8Array;
  frames: Uint8Array;
  readonly callAt: readonly number[];
  readonly cancels: number[];
}

/** A Batch frame, its Call frames, Cancel frames for some of them, and the next. */
function readJob(job: Uint8Array): JobEntry[] {
  const entries: JobEntry[] = [];
  let frames = job;
  let callAt: number[] = [];
  let left = 0;
  new FrameReader((type, id, count, payload, frame) => {
    if (type === FrameType.Cancel) {
      entries.at(-1)?.cancels.push(count);
      return;
    }
    if (left === 0) {
      const { key, spec } = decodeBatchHead(payload);
      frames = job.subarray(frame.byteOffset - job.byteOffset + frame.byteLength);
      callAt = [];
      left = count;
      entries.push({ id, key, spec, callAt, frames, cancels: [] });
      return;
    }
    callAt.push(frame.byteOffset - frames.byteOffset);
    left--;
    const entry = entries.at(-1);
    if (left === 0 && entry) entry.frames = frames.subarray(0, frame.byteOffset - frames.byteOffset + frame.byteLength);
  }).push(job);
  return entries;
}
