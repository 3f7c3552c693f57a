/**
 * One lock per tenant, under which its layout is made, and one for the system's configuration.
 *
 * The order: first the system's lock, then one tenant's. Who has a tenant's lock takes no other, and nobody takes one that
 * he has. So nobody who is waited for waits for somebody who came before him: there is no deadlock. This is checked each
 * time, by what the asynchronous caller holds, and a breach throws rather than hangs now and then.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { invalidArgument } from '../option/invalid-argument.js';
import { KeyedLock, type Release } from '../wait/keyed-lock.js';
import { having } from '../option/option-kinds.js';
import { readOptions, type Table } from '../option/option-table.js';
import { type Log, logOption } from '../report/log.js';
import { refuseInSection } from '../wait/section-guard.js';

/**
 * Keeps out other processes. Taken when the lock of this process is held, given back before that is; so at most one of
 * this process asks for a name at a time.
 */
export interface ProcessLocks {
  /** Waits for it. Resolves with what gives it back; a rejection of that is logged. */
  take(name: string, signal: AbortSignal): Promise<() => Promise<void>>;
  /** As `take`, or undefined when another process has it: does not wait for that. */
  tryTake(name: string): Promise<(() => Promise<void>) | undefined>;
}

/** How tenants are locked. */
export interface TenantLocksOptions {
  /** For schedulers that share their tenants with others. Default: none. */
  processLocks?: ProcessLocks | undefined;
  /** Default: silent. */
  log?: Log | undefined;
}

export const TENANT_LOCKS = {
  processLocks: having<ProcessLocks>('take', 'tryTake'),
  log: logOption('tenants'),
} satisfies Table<TenantLocksOptions>;

/** A lock that was not taken since the order of locks forbids it. */
export class LockOrderError extends Error {
  override readonly name = 'LockOrderError';
  readonly code = 'ERR_LOCK_ORDER';
}

/** A lock that somebody has. */
interface Hold {
  readonly locks: TenantLocks;
  /** Undefined for the system's. */
  readonly tenant: string | undefined;
  /** False when it was given back; what was started meanwhile and goes on has it no more. */
  isHeld: boolean;
}

/** One for all TenantLocks: Node keeps each storage for good, and asks all of them at every promise. */
const holds = new AsyncLocalStorage<readonly Hold[]>();

/** Fair; made when needed, and gone when nobody has or wants them. */
export class TenantLocks {
  readonly #locks = new KeyedLock();
  readonly #processLocks: ProcessLocks | undefined;
  readonly #log: Log;

  /** Throws TypeError (`ERR_INVALID_ARG`) that names the option at fault. */
  constructor(options: TenantLocksOptions = {}) {
    const { processLocks, log } = readOptions(TENANT_LOCKS, options);
    this.#processLocks = processLocks;
    this.#log = log;
  }

  /** How many locks somebody has or waits for. */
  get size(): number {
    return this.#locks.size;
  }

  /** Whether nobody in this process has the tenant's lock or waits for it. */
  isFree(tenant: string): boolean {
    return this.#locks.isFree(lockName(tenant));
  }

  /**
   * Does `work` with the lock of the system's configuration, and settles as it does.
   *
   * Rejects with LockOrderError (`ERR_LOCK_ORDER`) inside of any other work under a lock; with the reason of `signal` when
   * that is aborted while it waits; with what `processLocks` rejects with.
   */
  async withSystem<T>(work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#wait(undefined, work, signal);
  }

  /** As `withSystem`, with the tenant's lock. Inside of work under the system's lock it is allowed. */
  async withTenant<T>(tenant: string, work: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#wait(checkTenantName(tenant), work, signal);
  }

  /**
   * As `withTenant` when nobody has the tenant's lock or waits for it, here or in another process; gives true when `work`
   * was done, and false at once when it was not begun. What `work` gives is dropped.
   */
  async tryWithTenant(tenant: string, work: () => unknown): Promise<boolean> {
    this.#checkOrder(checkTenantName(tenant));
    refuseInSection(`the lock of the tenant '${tenant}'`);
    const release = this.#locks.tryAcquire(lockName(tenant));
    if (release === undefined) return false;
    const giveBack = await orRelease(release, async () =>
      this.#processLocks === undefined ? NOBODY : this.#processLocks.tryTake(lockName(tenant)),
    );
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
      this.#processLocks === undefined ? NOBODY : this.#processLocks.take(name, signal ?? new AbortController().signal),
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
        // What the work gave or threw is what its caller has to hear.
        this.#log.error(`the ${lockName(tenant)} lock could not be given back to other processes`, { error });
      }
      release();
    }
  }

  #checkOrder(wanted: string | undefined): void {
    const bar = held().find(hold => hold.locks === this && (wanted === undefined || hold.tenant !== undefined));
    if (bar === undefined) return;
    throw new LockOrderError(
      `the ${lockName(wanted)} lock is asked for by who has the ${lockName(bar.tenant)} lock; the order is the system's, then one tenant's`,
    );
  }
}

/** What the asynchronous caller has, of whichever TenantLocks. */
function held(): Hold[] {
  return (holds.getStore() ?? []).filter(hold => hold.isHeld);
}

type GiveBack = () => Promise<void>;

/** For who shares his tenants with nobody. */
const NOBODY: GiveBack = async () => undefined;

/** This process's lock is of no use to who does not get that of the others. */
async function orRelease<T>(release: Release, take: () => Promise<T>): Promise<T> {
  try {
    return await take();
  } catch (error) {
    release();
    throw error;
  }
}

/** What a lock is called in messages and for other processes. */
function lockName(tenant: string | undefined): string {
  return tenant === undefined ? 'system' : `tenant ${tenant}`;
}

function checkTenantName(tenant: unknown): string {
  if (typeof tenant === 'string' && tenant !== '') return tenant;
  throw invalidArgument('tenant', tenant, 'a non-empty string');
}
