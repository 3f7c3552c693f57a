/**
 * A section: a callback, its handle, and one transaction or a stretch of one. Its states:
 * - open, while the callback runs: statements and inner sections of its logical thread take turns. The first failure breaks
 *   the section: later statements are refused, so that a swallowed error does not keep half of a section.
 * - ending, for one turn of the event loop, in which statements that were not awaited arrive here. What runs or arrives now
 *   was left behind: it runs, and the section fails and undoes it.
 * - over: the handle is dead.
 *
 * Invariants: the transaction ends exactly once, after the last statement has settled; by a commit only if the callback has
 * resolved, nothing has failed and nothing was left behind.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type CompiledQuery, Kysely, type QueryResult } from 'kysely';
import { ContextSwitchError, currentSection, type GuardedSection, inSection } from '../wait/section-guard.js';
import type { Engine, FailureKind, Policy, Transaction } from './engine.js';
import { type CallSite, titleOf } from './call-site.js';
import { refuseNoPromise, refuseQueries } from './query-left.js';
import { SectionDriver } from './section-driver.js';
import { ReadOnlyViolation, shortened, StoreError } from './store-error.js';
import { Semaphore } from '../wait/semaphore.js';

export interface SectionFacts {
  readonly policy: Policy;
  /** The `why` of a section that writes. */
  readonly name: string;
  readonly callSite: CallSite;
  readonly outer: GuardedSection | undefined;
  /** It is a transaction of its own, not a stretch of an outer one. */
  readonly isWhole: boolean;
}

interface Failure {
  readonly kind: FailureKind;
  readonly error: unknown;
}

/** They fail the whole transaction, not only a stretch. */
const OF_THE_TRANSACTION: readonly FailureKind[] = ['busy', 'conflict', 'lost', 'undone'];
/** Caused by other transactions, so that a retry may succeed. */
const OF_OTHERS: readonly FailureKind[] = ['busy', 'conflict'];

export class Section implements GuardedSection {
  /** Identifies the store. */
  readonly engine: Engine;
  readonly #transaction: Transaction;
  readonly #facts: SectionFacts;
  readonly #turns = new Semaphore(1);
  /** Unfinished statements and inner sections: a promise of their end, and their name. */
  readonly #running = new Map<Promise<unknown>, () => string>();
  #state: 'open' | 'ending' | 'over' = 'open';
  #failure: Failure | undefined;
  #leftBehind: string | undefined;

  constructor(engine: Engine, transaction: Transaction, facts: SectionFacts) {
    this.engine = engine;
    this.#transaction = transaction;
    this.#facts = facts;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** The callback has ended, and it waits for what was left behind. */
  get isEnding(): boolean {
    return this.#state === 'ending';
  }

  get writes(): boolean {
    return this.#facts.policy === 'readWrite';
  }

  get title(): string {
    return titleOf(this.#facts);
  }

  get outer(): GuardedSection | undefined {
    return this.#facts.outer;
  }

  /** Whether it failed because of other transactions, so that a retry may succeed. */
  get hasConflict(): boolean {
    return this.#failure !== undefined && OF_OTHERS.includes(this.#failure.kind);
  }

  /** Runs the callback and ends the transaction. Once. */
  async run<T>(work: (db: Kysely<unknown>) => Promise<T>): Promise<T> {
    const db = new Kysely<unknown>({
      dialect: { ...dialectOf(this.engine), createDriver: () => new SectionDriver(this) },
    });
    let value: T;
    try {
      value = await inSection(this, async () => {
        const returned = work(db);
        refuseNoPromise(returned, this.title);
        return returned;
      });
      refuseQueries(value, this.title);
    } catch (error) {
      await this.#end();
      await this.#transaction.rollback();
      throw error;
    }
    await this.#end();
    const failure = this.#failureAtEnd();
    if (failure !== undefined) {
      await this.#transaction.rollback();
      throw failure;
    }
    try {
      await this.#transaction.commit();
    } catch (error) {
      throw this.#commitFailure(error);
    }
    return value;
  }

  /** A statement of its handle. */
  async execute(query: CompiledQuery): Promise<QueryResult<unknown>> {
    const { sql } = query;
    if (this.#state === 'over') {
      throw new ContextSwitchError('ERR_SECTION_ENDED', `${shortened(sql)}: the ${this.title} has ended`);
    }
    const current = currentSection();
    // While it ends, its own thread is in no section any more; an inner section would wait for itself.
    if (this.#state === 'open' ? current !== this : this.#isAround(current)) {
      const user = current === undefined ? 'another logical thread' : `the ${current.title}`;
      const text = `${user} used the handle of the ${this.title}: ${shortened(sql)}`;
      throw new ContextSwitchError('ERR_OTHER_SECTION', text);
    }
    if (this.engine.refuses(sql)) {
      const why = `the ${this.title} owns its transaction and leaves nothing behind in its connection`;
      throw new StoreError('ERR_STATEMENT_REFUSED', `${shortened(sql)}: ${why}`);
    }
    const what = (): string => shortened(sql);
    return this.#inTurn(what, async () => {
      this.#refuseIfBroken();
      try {
        return await this.#transaction.execute(query);
      } catch (error) {
        throw this.#broken(error, sql);
      }
    });
  }

  /** Runs an inner section as a stretch of this one's transaction. */
  nest<T>(facts: SectionFacts, work: (db: Kysely<unknown>) => Promise<T>): Promise<T> {
    const what = (): string => titleOf(facts);
    return this.#inTurn(what, async () => {
      this.#refuseIfBroken();
      const stretch = await this.#transaction.nest(facts.policy).catch((error: unknown) => {
        throw this.#broken(error, `begin of the ${what()}`);
      });
      const inner = new Section(this.engine, stretch, { ...facts, outer: this });
      try {
        return await inner.run(work);
      } finally {
        const failure = inner.#failure;
        if (failure !== undefined && OF_THE_TRANSACTION.includes(failure.kind)) this.#failure ??= failure;
      }
    });
  }

  /** Tracks work of this section that must end before the callback does. */
  during<T>(what: () => string, work: () => Promise<T>): Promise<T> {
    if (this.#state === 'ending') this.leaveBehind(what);
    const running = work();
    const forget = (): boolean => this.#running.delete(ended);
    const ended: Promise<unknown> = running.then(forget, forget);
    this.#running.set(ended, what);
    return running;
  }

  /** Notes work that was begun in it and not awaited. */
  leaveBehind(what: () => string): void {
    this.#leftBehind ??= what();
  }

  #isAround(section: GuardedSection | undefined): boolean {
    return section !== undefined && (section === this || this.#isAround(section.outer));
  }

  #inTurn<T>(what: () => string, work: () => Promise<T>): Promise<T> {
    return this.during(what, () => this.#turns.run(work));
  }

  async #end(): Promise<void> {
    for (const what of this.#running.values()) this.leaveBehind(what);
    this.#state = 'ending';
    await nextTurn();
    while (this.#running.size > 0) await Promise.all(this.#running.keys());
    this.#state = 'over';
  }

  /** Undefined when it may be committed. */
  #failureAtEnd(): StoreError | undefined {
    if (this.#leftBehind !== undefined) {
      const text = `the ${this.title} ended while a statement was not awaited: ${this.#leftBehind}`;
      return new StoreError('ERR_UNAWAITED_WORK', text);
    }
    if (this.#failure === undefined) return undefined;
    return this.#failure.error instanceof StoreError ? this.#failure.error : this.#brokenError(this.#failure.error);
  }

  #refuseIfBroken(): void {
    if (this.#failure !== undefined) throw this.#brokenError(this.#failure.error);
  }

  #brokenError(cause: unknown): StoreError {
    const text = `a statement of the ${this.title} has failed, and so has all of it`;
    return new StoreError('ERR_SECTION_BROKEN', text, { cause });
  }

  /** Breaks the section; returns what the failed statement rejects with. */
  #broken(cause: unknown, sql: string): unknown {
    const kind = this.engine.kindOf(cause);
    const error = this.#statementFailure(kind, cause, sql);
    this.#failure ??= { kind, error };
    return error;
  }

  #statementFailure(kind: FailureKind, error: unknown, sql: string): unknown {
    if (kind === 'lost') return this.#lost(error);
    if (kind === 'undone') return this.#brokenError(error);
    // Only here: a disk may be read-only too.
    if (kind === 'read-only' && !this.writes) {
      return new ReadOnlyViolation(sql, this.title, this.#facts.callSite.text, error);
    }
    return error;
  }

  #commitFailure(error: unknown): unknown {
    const kind = this.engine.kindOf(error);
    this.#failure = { kind, error };
    if (OF_OTHERS.includes(kind)) return error;
    if (kind !== 'lost') {
      const text = `the commit of the ${this.title} was refused; nothing was kept`;
      return new StoreError('ERR_COMMIT_FAILED', text, { cause: error });
    }
    // A snapshot, or a part of an open transaction, keeps nothing.
    if (!this.writes || !this.#facts.isWhole) return this.#lost(error);
    const text = `the database was lost during the commit of the ${this.title}: it is unknown whether the commit happened`;
    return new StoreError('ERR_COMMIT_UNKNOWN', text, { cause: error });
  }

  #lost(cause: unknown): StoreError {
    return new StoreError('ERR_STORE_LOST', `the database was lost during the ${this.title}; nothing was kept`, {
      cause,
    });
  }
}

/** With its methods bound. */
function dialectOf({ dialect }: Engine): Engine['dialect'] {
  return {
    createAdapter: () => dialect.createAdapter(),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createIntrospector: db => dialect.createIntrospector(db),
  };
}
