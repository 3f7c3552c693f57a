/**
 * A shard's side of the heartbeat.
 *
 * One heartbeat: the packet is made of one snapshot; the link carries it to the master and brings the reply; uploads that
 * the master acknowledges, and only those, are settled; the reply is taken over. No section is open while the link works,
 * and the shard's own scheduler goes on meanwhile: what has changed under a heartbeat's feet is found by the next one.
 *
 * What always holds: one heartbeat at a time; a finished job is to be uploaded until the master has acknowledged all that
 * is known of it; a heartbeat that fails leaves everything for the next one.
 */
import { invalidArgument } from '../../option/invalid-argument.js';
import { TickLoop, TickLoopError } from '../../scheduler/tick-loop.js';
import type { TickContext } from '../../scheduler/tick-options.js';
import { refuseInSection } from '../../wait/section-guard.js';
import { StoreError } from '../../store/store-error.js';
import type { Store } from '../../store/store.js';
import { readOptions } from '../../option/option-table.js';
import { withNamedLog } from '../../report/log.js';
import { type ClientSettings, SHARD_CLIENT, type ShardClientOptions } from './client-options.js';
import { ClientReports, type HeartbeatFailureCode, type ReportState } from './client-reports.js';
import { farmOf } from '../records/farm-store.js';
import type { FarmTables } from '../records/farm-tables.js';
import { HeartbeatError } from '../wire/heartbeat-error.js';
import { HEARTBEAT_VERSION, type HeartbeatPacket, type HeartbeatReply } from '../wire/heartbeat.js';
import type { HeartbeatExchange, MasterLink } from '../wire/master-link.js';
import { packetOf } from './packet.js';
import { isPassing } from './store-trouble.js';
import { ReplyTaker, type TakenOver } from './take-over.js';
import { chooseUploads, markUploaded } from './chosen-uploads.js';

/** A heartbeat was asked for while one is under way. */
export class ShardClientError extends Error {
  override readonly name = 'ShardClientError';
  readonly code = 'ERR_HEARTBEAT_UNDER_WAY';
}

const JITTER = 0.1;

/**
 * Polls a master: tells what this shard knows and has finished, takes over the hosts and jobs that it is given.
 *
 *     const client = new ShardClient(store, link, { shardHostname: 'shard1.example.org', log: console });
 *     await client.loop(); // until SIGINT or SIGTERM
 *
 * A heartbeat that fails ends nothing: it is counted, logged once until that changes, and tried again after a longer pause.
 */
export class ShardClient<DB extends FarmTables = FarmTables> {
  readonly #farm: Store<FarmTables>;
  readonly #link: MasterLink;
  readonly #settings: ClientSettings;
  readonly #taker: ReplyTaker;
  readonly #loop: TickLoop;
  readonly #told: ReportState = { failing: undefined, refused: '', tooLarge: '' };
  /** While the loop is on. */
  #loopReports: ClientReports | undefined;
  #endsAtMs = Infinity;
  #isUnderWay = false;
  #isClosed = false;
  #heartbeats = 0;
  #failuresInARow = 0;
  /** Where the uploads of the next heartbeat begin; not known before the first one. */
  #uploadAfterJobId: number | undefined;
  /** What the master asked for when it refused the last heartbeat. */
  #retryAfterMs = 0;

  /** Throws TypeError (`ERR_INVALID_ARG`) that names the option at fault. Nothing starts before a heartbeat is asked for. */
  constructor(store: Store<DB>, link: MasterLink, options: ShardClientOptions) {
    if (!hasMethod(store, 'readWrite')) throw invalidArgument('store', store, 'a Store');
    if (!hasMethod(link, 'heartbeat')) throw invalidArgument('link', link, 'an object with the method heartbeat');
    const settings = withNamedLog(readOptions(SHARD_CLIENT, options), 'client');
    const { name, log, clock } = settings;
    this.#farm = farmOf(store);
    this.#link = link;
    this.#settings = settings;
    this.#taker = new ReplyTaker(this.#farm, log);
    this.#loop = new TickLoop(context => this.#loopTick(context), {
      pauseMs: () => this.#pauseMs(),
      jitter: JITTER,
      onError: 'stop',
      signals: settings.signals,
      signal: settings.signal,
      random: settings.random,
      name,
      log: options.log,
      clock,
    });
  }

  /** As in the options: for log lines, events and metrics. */
  get name(): string {
    return this.#settings.name;
  }

  /** As in the options: who this shard is. */
  get shardHostname(): string {
    return this.#settings.shardHostname;
  }

  /** How many ticks' heartbeats went well. */
  get heartbeats(): number {
    return this.#heartbeats;
  }

  /** How many heartbeats have failed since the last one that went well. */
  get failuresInARow(): number {
    return this.#failuresInARow;
  }

  /**
   * One heartbeat. Resolves with whether it went well: a failure of the link, or of the database, which the next heartbeat
   * may find well again, is logged, and counted by its code (`ERR_STORE` for what the database itself has said).
   *
   * Rejects with all else: with ShardClientError (`ERR_HEARTBEAT_UNDER_WAY`) while there is one; with the reason of
   * `signal`, which ends it at once; with StoreError for a store that is closed or was made read-only; with what is a defect.
   */
  async doHeartbeat({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<boolean> {
    refuseInSection(`heartbeat of '${this.name}'`);
    if (this.#isUnderWay) throw new ShardClientError(`a heartbeat of ${this.name} is under way`);
    this.#isUnderWay = true;
    const reports = this.#loopReports ?? this.#openReports();
    try {
      return await this.#heartbeat(reports, signal ?? new AbortController().signal);
    } finally {
      this.#isUnderWay = false;
      if (reports !== this.#loopReports) await reports.close();
    }
  }

  /**
   * Takes over what a reply brings: hosts, jobs, keyvals, each record in a section of its own; then removes the hosts that
   * are not this shard's; then those of the jobs that are finished here are to be uploaded again. A record that cannot be
   * taken over is undone, logged with its id, and counted.
   *
   * Rejects with StoreError.
   */
  async processHeartbeatResponse(reply: HeartbeatReply): Promise<TakenOver> {
    refuseInSection(`reply of a heartbeat of '${this.name}'`);
    const reports = this.#loopReports ?? this.#openReports();
    try {
      return await this.#process(reports, reply);
    } finally {
      if (reports !== this.#loopReports) await reports.close();
    }
  }

  /** What the loop does again and again: one heartbeat, counted in `heartbeats` when it goes well. Rejects as that does. */
  async tick({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (await this.doHeartbeat({ signal })) this.#heartbeats += 1;
  }

  /**
   * Ticks, with a pause after each, until `close`, a signal (the first one after the current tick, the second one at
   * once), the end of `lifetimeMs`. Listens to signals from its call on. Resolves at once for a client that was closed.
   *
   * Rejects with what is no failure of a heartbeat, such as a defect or a closed store, after `onFatal` was told; with a
   * TickLoopError (`ERR_TICK_LOOP_RUNNING`) while it is running.
   */
  async loop(): Promise<void> {
    refuseInSection(`loop of '${this.name}'`);
    if (this.#isClosed) return;
    if (this.#loop.running) throw new TickLoopError('ERR_TICK_LOOP_RUNNING', `${this.name} is running already`);
    const { clock, lifetimeMs } = this.#settings;
    const reports = this.#openReports();
    this.#loopReports = reports;
    this.#endsAtMs = clock.nowMs() + lifetimeMs;
    reports.started();
    try {
      await this.#loop.run();
    } catch (error) {
      // A run that is refused, as one before it has not ended, is nobody's end.
      if (!(error instanceof TickLoopError)) {
        reports.fatal(error);
        await this.#tellFatal(error);
      }
      throw error;
    } finally {
      this.#loopReports = undefined;
      await reports.close();
    }
  }

  /**
   * Ends the loop after the current tick, or promptly in a pause; it does not start again. Resolves when it has ended, at
   * once when none is on. Inside a tick call it without awaiting it: it waits for the tick.
   */
  async close(): Promise<void> {
    refuseInSection(`close of '${this.name}'`);
    this.#isClosed = true;
    await this.#loop.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #loopTick({ signal }: TickContext): Promise<void> {
    if (this.#settings.clock.nowMs() >= this.#endsAtMs) {
      void this.#loop.stop();
      return;
    }
    // Somebody else's heartbeat will do.
    if (this.#isUnderWay) return;
    try {
      await this.tick({ signal });
    } catch (error) {
      // Stopped at once: nobody waits for it any more.
      if (!signal.aborted || error !== signal.reason) throw error;
    }
  }

  #pauseMs(): number {
    const { pauseMs, maxBackoffMs } = this.#settings;
    const doublings = Math.max(0, this.#failuresInARow - 1);
    const backoffMs = Math.min(maxBackoffMs, pauseMs * 2 ** doublings);
    // The master's word, which is bounded as it is another's; not cut short by the jitter.
    const refusedMs = Math.min(maxBackoffMs, this.#retryAfterMs) / (1 - JITTER);
    return Math.max(pauseMs, backoffMs, refusedMs);
  }

  async #heartbeat(reports: ClientReports, signal: AbortSignal): Promise<boolean> {
    const { clock, name, shardHostname } = this.#settings;
    const startMs = clock.nowMs();
    const facts = { uploadedJobs: 0, settledJobs: 0, takenRecords: 0, badRecords: 0 };
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#exchange(reports, signal, facts);
      reports.succeeded(this.#failuresInARow);
      this.#failuresInARow = 0;
      this.#retryAfterMs = 0;
      return true;
    } catch (thrown) {
      const error = thrown instanceof LinkDefect ? thrown.cause : thrown;
      failure = { error };
      const code = signal.aborted ? undefined : codeOfFailure(thrown);
      if (code === undefined) throw error;
      this.#failuresInARow += 1;
      this.#retryAfterMs = (error instanceof HeartbeatError ? error.retryAfterMs : undefined) ?? 0;
      reports.failed(code, error as Error);
      return false;
    } finally {
      const tookMs = clock.nowMs() - startMs;
      reports.ended({ client: name, shardHostname, tookMs, ...facts, failed: failure !== undefined, ...failure });
    }
  }

  async #exchange(reports: ClientReports, signal: AbortSignal, facts: HeartbeatFacts): Promise<void> {
    const { shardHostname } = this.#settings;
    const { uploads, packet } = await this.#farm.read(
      async db => {
        const chosen = await chooseUploads(db, this.#settings, this.#uploadAfterJobId);
        return { uploads: chosen, packet: await packetOf(db, shardHostname, chosen) };
      },
      { name: 'heartbeat packet' },
    );
    // Whatever becomes of this one: uploads that the master chokes on must not be all that it is ever sent.
    this.#uploadAfterJobId = uploads.nextAfterJobId;
    reports.tooLarge(uploads.tooLargeJobIds);
    facts.uploadedJobs = uploads.jobs.length;
    signal.throwIfAborted();
    const exchange = await this.#ask(packet, signal);
    const { reply } = exchange;
    refuseOtherVersion(reply.version);
    reports.answered(exchange);
    const settled = await markUploaded(this.#farm, shardHostname, uploads, reply.acknowledgedJobIds);
    facts.settledJobs = settled.length;
    const taken = await this.#process(reports, reply, signal);
    facts.takenRecords = taken.hosts + taken.jobs + taken.jobKeyvals;
    facts.badRecords = taken.badRecords;
  }

  async #ask(packet: HeartbeatPacket, signal: AbortSignal): Promise<HeartbeatExchange> {
    try {
      return await this.#link.heartbeat(packet, signal);
    } catch (error) {
      throw error instanceof HeartbeatError ? error : new LinkDefect(error);
    }
  }

  async #process(reports: ClientReports, reply: HeartbeatReply, signal?: AbortSignal): Promise<TakenOver> {
    const { clock } = this.#settings;
    const startMs = clock.nowMs();
    const taken = await this.#taker.take(reply, signal);
    reports.processed(taken, clock.nowMs() - startMs);
    return taken;
  }

  async #tellFatal(error: unknown): Promise<void> {
    const { log, onFatal } = this.#settings;
    try {
      await onFatal?.(error);
    } catch (thrown) {
      log.error(`onFatal threw ${String(thrown)}`, { error: thrown });
    }
  }

  #openReports(): ClientReports {
    return new ClientReports(this.#settings, this.#told);
  }
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'function';
}

/** What a heartbeat's end tells of it. */
interface HeartbeatFacts {
  uploadedJobs: number;
  settledJobs: number;
  takenRecords: number;
  badRecords: number;
}

/** What a link has rejected with, and should not have: no trouble of the database, whatever it looks like. */
class LinkDefect extends Error {
  constructor(cause: unknown) {
    super('the link rejected with no HeartbeatError', { cause });
  }
}

/** Undefined when the next heartbeat will not do better. */
function codeOfFailure(error: unknown): HeartbeatFailureCode | undefined {
  if (error instanceof HeartbeatError) return error.code;
  if (error instanceof LinkDefect || !isPassing(error)) return undefined;
  return error instanceof StoreError ? error.code : 'ERR_STORE';
}

function refuseOtherVersion(version: number): void {
  if (version <= HEARTBEAT_VERSION) return;
  const text = `a reply of version ${String(version)}, of which this shard, of version ${String(HEARTBEAT_VERSION)}, knows nothing`;
  throw new HeartbeatError('ERR_REPLY_SCHEMA', text);
}
