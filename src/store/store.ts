/** State for schedulers: read-only unless a section says otherwise. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Kysely, Migration } from 'kysely';
import { invalidArgument } from '../option/invalid-argument.js';
import { checked, flag, text } from '../option/option-kinds.js';
import { readOptions, type Table } from '../option/option-table.js';
import {
  ContextSwitchError,
  currentSection,
  inNoSection,
  refuseInSection,
  sectionsAround,
} from '../wait/section-guard.js';
import { PendingWork } from '../wait/pending-work.js';
import { CallSite, titleOf } from './call-site.js';
import type { Engine, Transaction } from './engine.js';
import type { ReadDb, ReadWriteDb } from './handles.js';
import { type MigrationReport, migrate } from './migrate.js';
import { openPostgres } from './postgres/postgres-engine.js';
import { Section, type SectionFacts } from './section.js';
import { SectionReports } from './section-reports.js';
import { openSqlite } from './sqlite/sqlite-engine.js';
import { StoreError } from './store-error.js';
import { readStoreOptions, type StoreOptions, type StoreSettings } from './store-options.js';
import { Semaphore } from '../wait/semaphore.js';

/** Options of a section that reads. */
export interface ReadOptions {
  /** In errors, metrics and the warning of a slow section. Default `read`. */
  name?: string | undefined;
}

export const READ = { name: text().or('read') } satisfies Table<ReadOptions>;

/** Options of a section that writes. */
export interface ReadWriteOptions {
  /**
   * Retries a section that conflicts with other transactions, up to the store's `attempts`, each time in a new transaction.
   * Default false: it fails with `ERR_CONFLICT`. Not for inner sections.
   */
  repeatable?: boolean | undefined;
  /**
   * Inside a section that reads: runs in a separate transaction, whose changes that section's snapshot does not show.
   * Default false: a section that writes is refused there. Inside a section that writes, `true` is refused, and
   * `'or-join'` makes this section part of the outer one, as without the option. Use `'or-join'` in code that may be
   * called either way.
   */
  ownTransaction?: boolean | 'or-join' | undefined;
}

export const READ_WRITE = {
  repeatable: flag(),
  ownTransaction: checked<boolean | 'or-join'>("true, false or 'or-join'", value =>
    [true, false, 'or-join'].includes(value as boolean),
  ),
} satisfies Table<ReadWriteOptions>;

type Work<T> = (db: Kysely<unknown>) => Promise<T>;

/**
 * A database that is read in snapshots, and written only in sections that state why. `DB` is Kysely's table interface.
 *
 * ```ts
 * await using store = await Store.open<Farm>({ file: 'farm.db' });
 * const due = await store.read(db => db.selectFrom('job').selectAll().where('status', '=', 'queued').execute());
 * await store.readWrite('start job', tx => tx.updateTable('job').set({ status: 'running' }).execute());
 * ```
 *
 * A section is one transaction of one logical thread: no other code sees, commits or aborts its work.
 */
export class Store<DB> {
  readonly #engine: Engine;
  readonly #settings: StoreSettings;
  readonly #reports: SectionReports;
  readonly #writers = new Semaphore(1);
  /** Sections that are not inside another one of this store. */
  readonly #open = new PendingWork();
  #closed: Promise<void> | undefined;

  private constructor(engine: Engine, settings: StoreSettings) {
    this.#engine = engine;
    this.#settings = settings;
    this.#reports = new SectionReports(settings);
  }

  /**
   * Opens a database. An idle store does not keep the process alive.
   *
   * Rejects with a TypeError (`ERR_INVALID_ARG`) that names the invalid option, or with a StoreError:
   * `ERR_PACKAGE_MISSING`, or `ERR_STORE_OPEN` with the database's error as `cause`.
   */
  static async open<DB>(options: StoreOptions): Promise<Store<DB>> {
    const settings = readStoreOptions(options);
    refuseInSection(`open of the store '${settings.name}'`);
    const { place } = settings;
    const engine = await ('url' in place ? openPostgres(place.url, settings) : openSqlite(place, settings));
    return new Store<DB>(engine, settings);
  }

  /** The option `name`. */
  get name(): string {
    return this.#settings.name;
  }

  /**
   * Runs `work` on a snapshot of this moment, in which the database refuses writes, and resolves with its result.
   * Inside another section of this store, it sees what that section sees, including uncommitted writes.
   *
   * Rejects with what `work` throws; with a ReadOnlyViolation for a write; with a TypeError (`ERR_INVALID_ARG`) if
   * `work` does not return a promise; and with a StoreError, including `ERR_UNAWAITED_WORK` if `work` returns a query
   * instead of its result.
   */
  async read<T>(work: (db: ReadDb<DB>) => Promise<T>, options: ReadOptions = {}): Promise<T> {
    const callSite = new CallSite();
    checkWork(work);
    const { name } = readOptions(READ, options);
    return this.#run({ policy: 'read', name, callSite }, {}, db => work(db as unknown as ReadDb<DB>));
  }

  /**
   * Runs `work` in a transaction, commits it when `work` resolves, rolls it back when `work` rejects, and resolves with
   * its result after the commit. One such section of a store runs at a time, first come first served; it must not wait
   * for anything except the database. Inside another section that writes, it is part of that transaction: its failure
   * rolls back only its own part, and it is committed with the outer section.
   *
   * `why` names it in errors, metrics and the warning of a slow section: a few constant words.
   *
   * Rejects with what `work` throws; with a ContextSwitchError; with a TypeError (`ERR_INVALID_ARG`) if `work` does not
   * return a promise; and with a StoreError, including `ERR_UNAWAITED_WORK` if `work` returns a query instead of its
   * result.
   */
  async readWrite<T>(
    why: string,
    work: (tx: ReadWriteDb<DB>) => Promise<T>,
    options: ReadWriteOptions = {},
  ): Promise<T> {
    const callSite = new CallSite();
    if (typeof why === 'function') throw invalidArgument('why', why, 'a text that says why');
    const facts: Facts = { policy: 'readWrite', name: WHY.read(why, 'why'), callSite };
    checkWork(work);
    const ways = readOptions(READ_WRITE, options);
    return this.#run(facts, ways, db => work(db as unknown as ReadWriteDb<DB>));
  }

  /**
   * Applies all missing `migrations` with Kysely's migrator, in the order of their names, in one transaction. `down` is
   * never called. Pass all migrations of the store in each call: Kysely refuses a list that lacks an applied migration.
   * Rejects with a StoreError (`ERR_MIGRATION`), whose `cause` is what the migration threw.
   */
  async migrate(migrations: Readonly<Record<string, Migration>>): Promise<MigrationReport> {
    const callSite = new CallSite();
    if (typeof migrations !== 'object' || migrations === null) {
      throw invalidArgument('migrations', migrations, 'an object of migrations by their names');
    }
    return migrate(migrations, this.#settings.attempts, {
      read: work => this.#run({ policy: 'read', name: 'migrations', callSite }, {}, work),
      readWrite: work =>
        this.#run({ policy: 'readWrite', name: 'migrate', callSite }, { isWhole: true, repeatable: true }, work),
    });
  }

  /**
   * Refuses further sections (`ERR_STORE_CLOSED`), waits without limit for sections that are open or wait for their
   * turn, and ends the connections. Idempotent. Rejects with a StoreError (`ERR_SECTION_NESTING`) inside a section of
   * this store.
   */
  async close(): Promise<void> {
    const what = `close of the store '${this.name}'`;
    const [inside] = this.#sectionsAround(what);
    if (inside !== undefined) throw new StoreError('ERR_SECTION_NESTING', `${what} in its ${inside.title}`);
    return (this.#closed ??= this.#close());
  }

  /** `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#open.over();
    await this.#engine.close();
    await this.#reports.close();
  }

  async #run<T>(facts: Facts, ways: Ways, work: Work<T>): Promise<T> {
    this.#refuseLate(facts);
    const around = this.#sectionsAround(`a section of the store '${this.name}'`);
    const [inside] = around;
    const whole: SectionFacts = { ...facts, outer: currentSection(), isWhole: true };
    if (inside === undefined) {
      if (this.#closed !== undefined) throw new StoreError('ERR_STORE_CLOSED', `the store '${this.name}' is closed`);
      return this.#begin(whole, ways, work);
    }
    const { policy } = facts;
    if (policy === 'read' || (inside.writes && ways.isWhole !== true && ways.ownTransaction !== true)) {
      const part = { ...whole, isWhole: false };
      return this.#reports.during(part, () => inside.nest(part, work));
    }
    const title = titleOf(facts);
    const writer = around.find(section => section.writes);
    if (writer !== undefined) {
      const why = writer === inside ? 'in a separate transaction would wait for it' : 'would write for a reader';
      throw new StoreError('ERR_SECTION_NESTING', `the ${title} inside the ${inside.title}: it ${why}`);
    }
    if (ways.ownTransaction === undefined || ways.ownTransaction === false) {
      const way = ways.isWhole === true ? 'end that one first' : 'end that one first, or use ownTransaction: true';
      throw new StoreError('ERR_SECTION_NESTING', `the ${title} inside the ${inside.title}: ${way}`);
    }
    return inside.during(
      () => title,
      () => this.#begin(whole, ways, work),
    );
  }

  /** Refuses a section that an ending section has left behind. */
  #refuseLate(facts: Facts): void {
    for (const section of sectionsAround()) {
      if (section.isOpen) return;
      if (!(section instanceof Section) || section.engine !== this.#engine || !section.isEnding) continue;
      const title = titleOf(facts);
      section.leaveBehind(() => title);
      throw new ContextSwitchError('ERR_SECTION_ENDED', `the ${title} was opened after the ${section.title} had ended`);
    }
  }

  /**
   * This store's open sections of this logical thread, the innermost first. Throws a ContextSwitchError inside a
   * section of another store that writes, which would wait for this database.
   */
  #sectionsAround(what: string): Section[] {
    const around: Section[] = [];
    for (const section of sectionsAround()) {
      if (!section.isOpen) continue;
      if (section instanceof Section && section.engine === this.#engine) around.push(section);
      else if (section.writes) refuseInSection(what);
    }
    return around;
  }

  #begin<T>(facts: SectionFacts, ways: Ways, work: Work<T>): Promise<T> {
    const attempts = (): Promise<T> => this.#attempts(facts, ways, work);
    if (facts.policy === 'read') return this.#open.add(attempts());
    const hasTurn = this.#reports.waiting(facts);
    return this.#open.add(
      this.#writers.run(() => {
        hasTurn();
        return attempts();
      }),
    );
  }

  async #attempts<T>(facts: SectionFacts, ways: Ways, work: Work<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const transaction = await this.#beginTransaction(facts, attempt);
      const section = new Section(this.#engine, transaction, facts);
      try {
        return await this.#reports.during(facts, () => section.run(work));
      } catch (error) {
        if (!section.hasConflict) throw error;
        if (ways.repeatable !== true || attempt >= this.#settings.attempts) {
          const tries = ways.repeatable === true ? `, ${String(attempt)} times` : '; it is not declared repeatable';
          const text = `the ${section.title} conflicted with other transactions${tries}; nothing was kept`;
          throw new StoreError('ERR_CONFLICT', text, { cause: error });
        }
        this.#reports.retry(facts, attempt, error);
        await pause(retryDelayMs(attempt));
      }
    }
  }

  async #beginTransaction(facts: SectionFacts, attempt: number): Promise<Transaction> {
    try {
      return await inNoSection(() => this.#engine.begin(facts.policy));
    } catch (error) {
      this.#reports.notBegun(facts);
      const isBusy = this.#engine.kindOf(error) === 'busy';
      const why = isBusy
        ? `other processes held the database for ${String(this.#settings.busyTimeoutMs)} ms`
        : (error as Error).message;
      const text = `the ${titleOf(facts)} could not begin, ${attempt === 1 ? 'nothing has run' : 'nothing was kept'}: ${why}`;
      throw new StoreError(isBusy ? 'ERR_STORE_BUSY' : 'ERR_STORE_LOST', text, { cause: error });
    }
  }
}

type Facts = Omit<SectionFacts, 'outer' | 'isWhole'>;

interface Ways extends ReadWriteOptions {
  /** It must not be a part of another section. */
  readonly isWhole?: boolean;
}

function checkWork(work: unknown): void {
  if (typeof work !== 'function') throw invalidArgument('work', work, 'a function that takes the handle');
}

const WHY = text().required;
const FIRST_RETRY_MS = 10;
const LONGEST_RETRY_MS = 500;

/** Full jitter over a doubling bound, so that contenders do not meet again. `attempt` counts from 1. */
function retryDelayMs(attempt: number): number {
  return Math.random() * Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempt - 1));
}
