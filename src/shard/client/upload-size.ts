/**
 * How much a heartbeat uploads. A master, or a proxy before it, may take less than `maxUploadBytes` in one request, and says
 * so with status 413 or in worse ways. A failed upload halves the next one; a good heartbeat adds a quarter, since the limit
 * may have been lifted. A job that was refused alone is left out until uploads have grown to its size again.
 */
import { HeartbeatError } from '../wire/heartbeat-error.js';

const SHRINK = 0.5;
const GROWTH = 1.25;
/** Further failures that need not be a matter of size make uploads no smaller than this. */
const LEAST_BYTES = 64 * 2 ** 10;
/** Statuses of proxies that gave up on a request: too slow to receive or to answer. */
const SLOW = [408, 502, 504];
const CUT_OFF = ['ECONNRESET', 'EPIPE'];

/** The part of an upload that matters here. */
interface Uploaded {
  readonly jobs: readonly { readonly id: number }[];
  readonly bytes: number;
  readonly allJobIds: readonly number[];
}

export class UploadSize {
  readonly #maxBytes: number;
  #limitBytes: number;
  /** Bytes by job. */
  readonly #refused = new Map<number, number>();

  constructor(maxUploadBytes: number) {
    this.#maxBytes = maxUploadBytes;
    this.#limitBytes = maxUploadBytes;
  }

  /** Limit of the next upload; a single job may exceed it. */
  get limitBytes(): number {
    return this.#limitBytes;
  }

  leavesOut(jobId: number, bytes: number): boolean {
    return this.#refused.has(jobId) && bytes > this.#limitBytes;
  }

  /** Whether `error` says that the upload was too large, so that a smaller one may succeed at once. */
  failed(error: unknown, { jobs, bytes }: Uploaded): boolean {
    const [job] = jobs;
    if (job === undefined || !(error instanceof HeartbeatError)) return false;
    if (error.status === 413) {
      this.#limitBytes = Math.min(this.#limitBytes, bytes * SHRINK);
      if (jobs.length === 1) this.#refused.set(job.id, bytes);
      return true;
    }
    if (mayBeSize(error)) this.#limitBytes = Math.min(this.#limitBytes, Math.max(bytes * SHRINK, LEAST_BYTES));
    return false;
  }

  succeeded({ allJobIds }: Uploaded): void {
    this.#limitBytes = Math.min(this.#maxBytes, this.#limitBytes * GROWTH);
    if (this.#refused.size === 0) return;
    const left = new Set(allJobIds);
    for (const id of this.#refused.keys()) if (!left.has(id)) this.#refused.delete(id);
  }
}

function mayBeSize({ code, status = 0, cause }: HeartbeatError): boolean {
  if (code === 'ERR_MASTER_TIMEOUT' || SLOW.includes(status)) return true;
  return (
    code === 'ERR_MASTER_UNREACHABLE' && CUT_OFF.includes(String((cause as NodeJS.ErrnoException | undefined)?.code))
  );
}
