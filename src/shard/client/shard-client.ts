/**
 * The shard's side of the heartbeat: it reads the packet from one snapshot, exchanges it for a reply, settles acknowledged
 * uploads and takes the reply over. No section is open during the exchange; the next heartbeat finds what changed meanwhile.
 *
 * Invariants: one heartbeat at a time; a finished job is uploaded until the master has acknowledged all that is known of it;
 * a failed heartbeat leaves everything to the next one.
 */
import { invalidArgument } from '../../option/invalid-argument.js';
import { TickLoop, TickLoopError } from '../../scheduler/tick-loop.js';
import type { TickContext } from '../../scheduler/tick-options.js';
import { refuseInSection } from '../../wait/section-guard.js';
import type { Store } from '../../store/store.js';
import { readOptions } from '../../option/option-table.js';
import { withNamedLog } from '../../report/log.js';
import { type ClientSettings, SHARD_CLIENT, type ShardClientOptions } from './client-options.js';
import type { HeartbeatEnd } from '../events.js';
import { askMaster, codeOfFailure, LinkDefect } from './ask-master.js';
import { ClientReports, ReportState } from './client-reports.js';
import { farmOf, read } from '../records/farm-store.js';
import type { FarmTables } from '../records/farm-tables.js';
import { HeartbeatError } from '../wire/heartbeat-error.js';
import type { HeartbeatReply } from '../wire/heartbeat.js';
import type { HeartbeatExchange, MasterLink } from '../wire/master-link.js';
import { packetOf } from './packet.js';
import { ReplyTaker, type TakenOver } from './take-over.js';
import { chooseUploads, markUploaded, type Uploads, withoutUploads } from './chosen-uploads.js';
import { UploadSize } from './upload-size.js';

/**
 * A heartbeat was refused.
 *
 * - `ERR_HEARTBEAT_UNDER_WAY`: a heartbeat was started while another one was running. Nothing was sent. Await the other
 *   one first.
 */
export class ShardClientError extends Error {
  override readonly name = 'ShardClientError';
  readonly code = 'ERR_HEARTBEAT_UNDER_WAY';
}

const JITTER = 0.1;
/** Uploads of one heartbeat, each refused as too large; then it asks for work without any. */
const MAX_UPLOADS_TRIED = 11;

/**
 * Polls a master: uploads finished jobs and imports the hosts and jobs that the master assigns.
 *
 *     const client = new ShardClient(store, link, { shardHostname: 'shard1.example.org', log: console });
 *     await client.loop(); // until SIGINT or SIGTERM
 *
 * The client counts a failed heartbeat, logs it once per kind of failure, and retries it after a longer pause.
 */
export class ShardClient<DB extends FarmTables = FarmTables> {
  readonly #farm: Store<FarmTables>;
  readonly #link: MasterLink;
  readonly #settings: ClientSettings;
  readonly #taker: ReplyTaker;
  readonly #loop: TickLoop;
  readonly #reportState = new ReportState();
  readonly #uploadSize: UploadSize;
  /** While the loop runs. */
  #loopReports: ClientReports | undefined;
  #endsAtMs = Infinity;
  #isUnderWay = false;
  #isClosed = false;
  #heartbeats = 0;
  #failuresInARow = 0;
  /** The next upload starts after this job; undefined before the first one. */
  #uploadAfterJobId: number | undefined;
  /** From the last refused heartbeat. */
  #retryAfterMs = 0;

  /** Throws a TypeError (`ERR_INVALID_ARG`) that names the invalid option. Starts nothing. */
  constructor(store: Store<DB>, link: MasterLink, options: ShardClientOptions) {
    if (!hasMethod(store, 'readWrite')) throw invalidArgument('store', store, 'a Store');
    if (!hasMethod(link, 'heartbeat')) throw invalidArgument('link', link, 'an object with the method heartbeat');
    const settings = withNamedLog(readOptions(SHARD_CLIENT, options), 'client');
    const { name, log, clock } = settings;
    this.#farm = farmOf(store);
    this.#link = link;
    this.#settings = settings;
    this.#taker = new ReplyTaker(this.#farm, log);
    this.#uploadSize = new UploadSize(settings.maxUploadBytes);
    this.#loop = new TickLoop(context => this.#loopTick(context), {
      pauseMs: () => this.#pauseMs(),
      jitter: JITTER,
      onError: 'stop',
      stopGraceMs: settings.stopGraceMs,
      signals: settings.signals,
      signal: settings.signal,
      random: settings.random,
      name,
      log: options.log,
      clock,
    });
  }

  /** The option `name`, in log lines, metrics and events. */
  get name(): string {
    return this.#settings.name;
  }

  /** The option `shardHostname`. */
  get shardHostname(): string {
    return this.#settings.shardHostname;
  }

  /** Number of ticks with a successful heartbeat. */
  get heartbeats(): number {
    return this.#heartbeats;
  }

  /** Number of failed heartbeats since the last successful one. */
  get failuresInARow(): number {
    return this.#failuresInARow;
  }

  /**
   * Sends one heartbeat. Resolves with false after a failure of the link or the database that may be temporary; the
   * client logs the failure and counts it by code (`ERR_STORE` for the database's own errors).
   *
   * Rejects with a ShardClientError (`ERR_HEARTBEAT_UNDER_WAY`) while another heartbeat is running; with the reason of
   * `signal`, which ends the heartbeat at once; with a StoreError for a closed or read-only store; and with defects.
   */
  async doHeartbeat({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<boolean> {
    refuseInSection(`heartbeat of '${this.name}'`);
    if (this.#isUnderWay) throw new ShardClientError(`a heartbeat of ${this.name} is in progress`);
    this.#isUnderWay = true;
    try {
      return await this.#withReports(reports => this.#heartbeat(reports, signal ?? new AbortController().signal));
    } finally {
      this.#isUnderWay = false;
    }
  }

  /**
   * Imports hosts, keyvals and jobs, each record in its own section; then removes hosts that no longer belong to this
   * shard and marks jobs that are finished here for another upload. A bad record is rolled back, logged with its id,
   * and counted. Rejects with a StoreError.
   */
  async processHeartbeatResponse(reply: HeartbeatReply): Promise<TakenOver> {
    refuseInSection(`reply of a heartbeat of '${this.name}'`);
    return this.#withReports(reports => this.#process(reports, reply));
  }

  /** One pass of the loop: `doHeartbeat`, counted in `heartbeats` if it succeeds. Rejects as `doHeartbeat` does. */
  async tick({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (await this.doHeartbeat({ signal })) this.#heartbeats += 1;
  }

  /**
   * Runs ticks, with a pause after each, until `close`, a signal (the first ends it after the current tick, the second
   * at once) or the end of `lifetimeMs`. Resolves at once after `close`.
   *
   * Rejects, after `onFatal`, with errors that are not heartbeat failures, such as a defect or a closed store; and with
   * a TickLoopError (`ERR_TICK_LOOP_RUNNING`) while it is already running.
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
      // A run refused because another is active must not trigger `onFatal`.
      if (!(error instanceof TickLoopError)) {
        reports.fatal(error);
        await this.#callOnFatal(error);
      }
      throw error;
    } finally {
      this.#loopReports = undefined;
      await reports.close();
    }
  }

  /**
   * Ends the loop permanently, after the current tick or `stopGraceMs`, and then resolves. A tick must not await it,
   * because it waits for the tick.
   */
  async close(): Promise<void> {
    refuseInSection(`close of '${this.name}'`);
    this.#isClosed = true;
    await this.#loop.stop();
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #loopTick({ signal }: TickContext): Promise<void> {
    if (this.#settings.clock.nowMs() >= this.#endsAtMs) {
      void this.#loop.stop();
      return;
    }
    // A heartbeat that the caller started serves as well.
    if (this.#isUnderWay) return;
    try {
      await this.tick({ signal });
    } catch (error) {
      // The loop was stopped at once.
      if (!signal.aborted || error !== signal.reason) throw error;
    }
  }

  #pauseMs(): number {
    const { pauseMs, maxBackoffMs } = this.#settings;
    const doublings = Math.max(0, this.#failuresInARow - 1);
    const backoffMs = Math.min(maxBackoffMs, pauseMs * 2 ** doublings);
    // Bounded, as the master chooses it, and never shortened by the jitter.
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
    const { exchange, uploads } = await this.#upload(reports, signal, facts);
    const { reply } = exchange;
    this.#uploadSize.succeeded(uploads);
    reports.answered(exchange);
    const settled = await markUploaded(this.#farm, shardHostname, uploads, reply.acknowledgedJobIds);
    facts.settledJobs = settled.length;
    const taken = await this.#process(reports, reply, signal);
    facts.takenRecords = taken.hosts + taken.jobs + taken.jobKeyvals;
    facts.badRecords = taken.badRecords;
  }

  /** Uploads less each time that an upload is refused as too large. */
  async #upload(reports: ClientReports, signal: AbortSignal, facts: HeartbeatFacts): Promise<Uploaded> {
    const { shardHostname } = this.#settings;
    for (let tried = 0; ; tried++) {
      const { uploads, packet } = await read(this.#farm, 'heartbeat packet', async db => {
        const all = await chooseUploads(db, this.#settings, this.#uploadSize, this.#uploadAfterJobId);
        const chosen = tried < MAX_UPLOADS_TRIED ? all : withoutUploads(all);
        return { uploads: chosen, packet: await packetOf(db, shardHostname, chosen) };
      });
      const { jobs, bytes, tooLargeJobIds, refusedJobIds, nextAfterJobId } = uploads;
      reports.leftOut(tooLargeJobIds, refusedJobIds);
      facts.uploadedJobs = jobs.length;
      signal.throwIfAborted();
      try {
        const exchange = await askMaster(this.#link, packet, signal);
        this.#uploadAfterJobId = nextAfterJobId;
        return { exchange, uploads };
      } catch (error) {
        if (this.#uploadSize.failed(error, uploads)) reports.shrunk(bytes, error as HeartbeatError);
        else {
          // Uploads that a master cannot take must not block the others.
          this.#uploadAfterJobId = nextAfterJobId;
          throw error;
        }
      }
    }
  }

  async #process(reports: ClientReports, reply: HeartbeatReply, signal?: AbortSignal): Promise<TakenOver> {
    const { clock } = this.#settings;
    const startMs = clock.nowMs();
    const taken = await this.#taker.take(reply, signal);
    reports.processed(taken, clock.nowMs() - startMs);
    return taken;
  }

  async #callOnFatal(error: unknown): Promise<void> {
    const { log, onFatal } = this.#settings;
    try {
      await onFatal?.(error);
    } catch (thrown) {
      log.error(`onFatal threw ${String(thrown)}`, { error: thrown });
    }
  }

  /** Runs `work` with the loop's reports or, outside the loop, with reports of its own. */
  async #withReports<T>(work: (reports: ClientReports) => Promise<T>): Promise<T> {
    if (this.#loopReports !== undefined) return work(this.#loopReports);
    const reports = this.#openReports();
    try {
      return await work(reports);
    } finally {
      await reports.close();
    }
  }

  #openReports(): ClientReports {
    return new ClientReports(this.#settings, this.#reportState);
  }
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'function';
}

type HeartbeatFacts = {
  -readonly [Count in 'uploadedJobs' | 'settledJobs' | 'takenRecords' | 'badRecords']: HeartbeatEnd[Count];
};

interface Uploaded {
  readonly exchange: HeartbeatExchange;
  readonly uploads: Uploads;
}
