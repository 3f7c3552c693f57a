/**
 * A section: a callback, its handle, and one transaction or a stretch of one.
 *
 * It is open while its callback runs; ending, while what the callback has left behind comes to its end; over then.
 * - open: statements and inner sections take turns, in the order in which they were asked for, and only from the
 *   section's own logical thread. The first that fails breaks the section: further ones are refused, as PostgreSQL would
 *   refuse them in any case, and so that no database keeps half of a section whose callback has swallowed an error.
 * - ending: one turn of the event loop, in which a statement that was called and not awaited arrives here. What is
 *   running, or arrives, was left behind: it runs, and the section fails and takes it back.
 * - over: the handle is dead.
 *
 * What always holds: the transaction is ended exactly once, by a commit only if the callback has resolved, nothing has
 * failed and nothing was left behind; and only after the last statement has settled.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type CompiledQuery, Kysely, type QueryResult } from 'kysely';
import { ContextSwitchError, currentSection, type GuardedSection, inSection } from '../wait/section-guard.js';
import type { Engine, FailureKind, Policy, Transaction } from './engine.js';
import { type CallSite, titleOf } from './call-site.js';
import { SectionDriver } from './section-driver.js';
import { ReadOnlyViolation, shortened, StoreError } from './store-error.js';
import { Line } from '../wait/line.js';

/** What is known of a section before it begins. */
export interface SectionFacts {
  readonly policy: Policy;
  /** The `why` of a section that writes. */
  readonly name: string;
  readonly callSite: CallSite;
  readonly outer: GuardedSection | undefined;
  /** It is a transaction of its own, and not a stretch of an outer section's. */
  readonly isWhole: boolean;
}

interface Failure {
  readonly kind: FailureKind;
  readonly error: unknown;
}

/** After these the whole transaction has failed, not just the stretch in which it showed. */
const OF_THE_TRANSACTION: readonly FailureKind[] = ['busy', 'conflict', 'lost', 'undone'];
/** Of others, who may have gone when it is done again. */
const OF_OTHERS: readonly FailureKind[] = ['busy', 'conflict'];

export class Section implements GuardedSection {
  /** Tells the sections of one store from another's. */
  readonly engine: Engine;
  readonly #transaction: Transaction;
  readonly #facts: SectionFacts;
  readonly #turns = new Line(1);
  /** Statements and inner sections that have begun and not ended: a promise of their end, and what they are called. */
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

  /** Its callback has ended, and it waits for what was left behind. */
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

  /** Whether it failed since other transactions were in the way: done again, it may succeed. */
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
      value = await inSection(this, async () => work(db));
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
    // While it ends its own flow of execution is in no section any more; one inside of it would wait for itself.
    if (this.#state === 'open' ? current !== this : this.#isAround(current)) {
      const user = current === undefined ? 'another logical thread' : `the ${current.title}`;
      throw new ContextSwitchError(
        'ERR_OTHER_SECTION',
        `${user} used the handle of the ${this.title}: ${shortened(sql)}`,
      );
    }
    if (this.engine.refuses(sql)) {
      throw new StoreError(
        'ERR_STATEMENT_REFUSED',
        `${shortened(sql)}: the ${this.title} owns its transaction and leaves nothing behind in its connection`,
      );
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

  /** Work that is begun in this section, beside its statements, and must have ended when the callback does. */
  during<T>(what: () => string, work: () => Promise<T>): Promise<T> {
    if (this.#state === 'ending') this.leaveBehind(what);
    const running = work();
    const forget = (): boolean => this.#running.delete(ended);
    const ended: Promise<unknown> = running.then(forget, forget);
    this.#running.set(ended, what);
    return running;
  }

  /** Something was begun in it and not awaited. */
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

  /** Undefined when it may be kept. */
  #failureAtEnd(): StoreError | undefined {
    if (this.#leftBehind !== undefined) {
      return new StoreError(
        'ERR_UNAWAITED_WORK',
        `the ${this.title} ended before what it had started and not awaited: ${this.#leftBehind}`,
      );
    }
    if (this.#failure === undefined) return undefined;
    return this.#failure.error instanceof StoreError ? this.#failure.error : this.#brokenError(this.#failure.error);
  }

  #refuseIfBroken(): void {
    if (this.#failure !== undefined) throw this.#brokenError(this.#failure.error);
  }

  #brokenError(cause: unknown): StoreError {
    return new StoreError('ERR_SECTION_BROKEN', `a statement of the ${this.title} has failed, and so has all of it`, {
      cause,
    });
  }

  /** What a statement is told that has failed. */
  #broken(error: unknown, sql: string): unknown {
    const kind = this.engine.kindOf(error);
    const told = this.#told(kind, error, sql);
    this.#failure ??= { kind, error: told };
    return told;
  }

  #told(kind: FailureKind, error: unknown, sql: string): unknown {
    if (kind === 'lost') return this.#lost(error);
    if (kind === 'undone') return this.#brokenError(error);
    // A disk may be read-only, too.
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
    // Of a snapshot, or of a part of what is not committed yet, nothing can have been kept.
    if (!this.writes || !this.#facts.isWhole) return this.#lost(error);
    const text = `the database was lost in the commit of the ${this.title}: whether that was done is not known`;
    return new StoreError('ERR_COMMIT_UNKNOWN', text, { cause: error });
  }

  #lost(cause: unknown): StoreError {
    return new StoreError('ERR_STORE_LOST', `the database was lost in the ${this.title}; nothing was kept`, { cause });
  }
}

/** Its methods, wherever they are defined. */
function dialectOf({ dialect }: Engine): Engine['dialect'] {
  return {
    createAdapter: () => dialect.createAdapter(),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createIntrospector: db => dialect.createIntrospector(db),
  };
}
