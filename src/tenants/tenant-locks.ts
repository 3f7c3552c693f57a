/**
 * One lock per tenant, under which its layout is made, and one for the list of tenants (the system's lock).
 *
 * Order: first the system's lock, then one tenant's; the holder of a tenant's lock takes no other, and no lock is taken
 * twice. So there is no deadlock. Every call is checked against the locks of its async context and throws on a breach.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { KeyedLock, type Release } from '../wait/keyed-lock.js';
import { having } from '../option/option-kinds.js';
import { readOptions, type Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import { refuseInSection } from '../wait/section-guard.js';
import { checkText } from './tenant-config.js';

/**
 * Locks out other processes. Taken while the lock of this process is held, so this process requests each name at most
 * once at a time.
 */
export interface ProcessLocks {
  /** Waits for the lock. Resolves with a function that releases it; if that function rejects, the error is logged. */
  take(name: string, signal: AbortSignal): Promise<() => Promise<void>>;
  /** Like `take`, but resolves at once with undefined if another process has the lock. */
  tryTake(name: string): Promise<(() => Promise<void>) | undefined>;
}

/** How tenants are locked. */
export interface TenantLocksOptions {
  /** Locks for schedulers that share their tenants. Default: none. */
  processLocks?: ProcessLocks | undefined;
  /** Default: silent. */
  log?: Log | undefined;
}

export const TENANT_LOCKS = {
  processLocks: having<ProcessLocks>('take', 'tryTake'),
  log: logOption('tenants'),
} satisfies Table<TenantLocksOptions>;

/**
 * Taking a lock would violate the lock order.
 *
 * - `ERR_LOCK_ORDER`: a lock was requested twice, or under another lock that must come later. Nothing was locked. Take
 *   the system's lock first, then one tenant's.
 */
export class LockOrderError extends Error {
  override readonly name = 'LockOrderError';
  readonly code = 'ERR_LOCK_ORDER';
}

interface Hold {
  readonly locks: TenantLocks;
  /** Undefined for the system's lock. */
  readonly tenant: string | undefined;
  /** False after its release, for work that was started meanwhile and goes on. */
  isHeld: boolean;
}

/** One for all TenantLocks: Node keeps each storage for good, and visits all of them at every promise. */
const holds = new AsyncLocalStorage<readonly Hold[]>();

/** Fair locks for tenants and for their list, created when needed. */
export class TenantLocks {
  readonly #locks = new KeyedLock();
  readonly #processLocks: ProcessLocks | undefined;
  readonly #log: Log;

  /** Throws a TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(options: TenantLocksOptions = {}) {
    const { processLocks, log } = readOptions(TENANT_LOCKS, options);
    this.#processLocks = processLocks;
    this.#log = log;
  }

  /** How many locks are held or waited for. */
  get size(): number {
    return this.#locks.size;
  }

  /** Whether the tenant's lock is neither held nor waited for in this process. */
  isFree(tenant: string): boolean {
    return this.#locks.isFree(lockName(tenant));
  }

  /**
   * Runs `work` under the lock of the list of tenants, and settles as `work` does.
   *
   * Rejects with a LockOrderError (`ERR_LOCK_ORDER`) inside other work under a lock; with the reason of `signal` if
   * that aborts during the wait; and as `processLocks` does.
   */
  async withSystem<T>(work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#wait(undefined, work, signal);
  }

  /** Like `withSystem`, with the tenant's lock. Allowed under the system's lock. */
  async withTenant<T>(tenant: string, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#wait(checkText('tenant', tenant), work, signal);
  }

  /**
   * Like `withTenant`, but resolves at once with false if the lock is held or waited for, here or in another process.
   */
  async tryWithTenant(tenant: string, work: () => unknown): Promise<boolean> {
    this.#checkOrder(checkText('tenant', tenant));
    refuseInSection(`the lock of the tenant '${tenant}'`);
    const name = lockName(tenant);
    const release = this.#locks.tryAcquire(name);
    if (release === undefined) return false;
    const giveBack = await orRelease(release, async () => (this.#processLocks ?? NO_OTHERS).tryTake(name));
    if (giveBack === undefined) release();
    else await this.#work(tenant, work, release, giveBack);
    return giveBack !== undefined;
  }

  async #wait<T>(tenant: string | undefined, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#checkOrder(tenant);
    const name = lockName(tenant);
    refuseInSection(`the ${name} lock`);
    const release = await this.#locks.acquire(name, signal);
    const giveBack = await orRelease(release, async () =>
      (this.#processLocks ?? NO_OTHERS).take(name, signal ?? new AbortController().signal),
    );
    return this.#work(tenant, work, release, giveBack);
  }

  async #work<T>(
    tenant: string | undefined,
    work: () => T | Promise<T>,
    release: Release,
    giveBack: GiveBack,
  ): Promise<T> {
    const hold: Hold = { locks: this, tenant, isHeld: true };
    try {
      return await holds.run([...held(), hold], async () => work());
    } finally {
      hold.isHeld = false;
      try {
        await giveBack();
      } catch (error) {
        // Logged only: the caller gets the outcome of the work.
        this.#log.error(`the ${lockName(tenant)} lock could not be released to other processes`, { error });
      }
      release();
    }
  }

  #checkOrder(wanted: string | undefined): void {
    const bar = held().find(hold => hold.locks === this && (wanted === undefined || hold.tenant !== undefined));
    if (bar === undefined) return;
    throw new LockOrderError(
      `the ${lockName(wanted)} lock was requested by the holder of the ${lockName(bar.tenant)} lock; the order is the system's, then one tenant's`,
    );
  }
}

/** The locks of this async context, of all TenantLocks. */
function held(): Hold[] {
  return (holds.getStore() ?? []).filter(hold => hold.isHeld);
}

type GiveBack = () => Promise<void>;

const nothing: GiveBack = async () => undefined;
/** For tenants that are not shared. */
const NO_OTHERS: ProcessLocks = { take: async () => nothing, tryTake: async () => nothing };

/** Releases the lock of this process if that of the others cannot be had. */
async function orRelease<T>(release: Release, take: () => Promise<T>): Promise<T> {
  try {
    return await take();
  } catch (error) {
    release();
    throw error;
  }
}

/** A lock's name in messages and for other processes. */
function lockName(tenant: string | undefined): string {
  return tenant === undefined ? 'system' : `tenant ${tenant}`;
}
