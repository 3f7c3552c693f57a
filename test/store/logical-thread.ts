/**
 * A logical thread of the interleaving test: what it does at random in sections, and what it must find there.
 *
 * The model is sequential: a set of rows that are committed. A section that writes begins with a copy of it, as no other
 * writes meanwhile; an inner one with a copy of the outer one's; and the copy takes the place of what it was copied from
 * when the section ends well. A section that reads has one of the sets that were committed while it began, and keeps it.
 */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import {
  ContextSwitchError,
  type ReadDb,
  ReadOnlyViolation,
  type ReadWriteDb,
  type Store,
} from 'drone-task-queue/store';
import { rejectionOf } from '../contract/rejections.js';

export interface Rows {
  row: { id: number; thread: number };
}

/** `own` is a section that writes, in a transaction of its own. */
export type Kind = 'read' | 'write' | 'own';

export type Step =
  | { readonly do: 'add' | 'look' | 'call' }
  | { readonly do: 'pause'; readonly turns: number }
  | { readonly do: 'section'; readonly kind: Kind; readonly fails: boolean; readonly steps: readonly Step[] };

type Ids = ReadonlySet<number>;

/** What is committed, as far as the logical threads know. */
export class Committed {
  /** All that ever was, the last is now. */
  readonly history: Ids[] = [new Set()];
  /** May be committed by now, or not yet. */
  pending: Ids | undefined;
  #lastId = 0;

  get now(): Ids {
    return this.history.at(-1) ?? new Set();
  }

  nextId(): number {
    return ++this.#lastId;
  }
}

/** A section that is open, as the model has it. */
interface Open {
  readonly kind: Kind;
  readonly db: ReadDb<Rows> | ReadWriteDb<Rows>;
  readonly writes: boolean;
  readonly around: Open | undefined;
  /** What it must see; undefined for one that reads and has not looked yet. */
  view: Set<number> | undefined;
  /** Where in the history its moment may be, from there on. */
  readonly from: number;
}

class AsTold extends Error {}

export class LogicalThread {
  readonly #store: Store<Rows>;
  readonly #committed: Committed;
  readonly #number: number;
  readonly #call: (value: number) => Promise<number>;

  constructor(store: Store<Rows>, committed: Committed, number: number, call: (value: number) => Promise<number>) {
    this.#store = store;
    this.#committed = committed;
    this.#number = number;
    this.#call = call;
  }

  async run(steps: readonly Step[], inside?: Open): Promise<void> {
    for (const step of steps) {
      if (step.do === 'pause') for (let left = step.turns; left > 0; left--) await turn();
      else if (step.do === 'call') await this.#callDrone(inside);
      else if (step.do === 'section') await this.#section(step.kind, step.fails, step.steps, inside);
      else if (inside !== undefined && step.do === 'look') await this.#look(inside);
      else if (inside?.writes === true) await this.#add(inside);
    }
  }

  async #callDrone(inside: Open | undefined): Promise<void> {
    if (isWriting(inside)) assert.ok((await rejectionOf(this.#call(this.#number))) instanceof ContextSwitchError);
    else assert.equal(await this.#call(this.#number), this.#number);
  }

  async #add({ db, view }: Open): Promise<void> {
    const id = this.#committed.nextId();
    await (db as ReadWriteDb<Rows>).insertInto('row').values({ id, thread: this.#number }).execute();
    view?.add(id);
  }

  async #look(open: Open): Promise<void> {
    const rows = await open.db.selectFrom('row').select('id').execute();
    const found = new Set(rows.map(({ id }) => id));
    open.view ??= this.#snapshotAs(found, open.from);
    assert.deepEqual(found, open.view, `thread ${String(this.#number)} in a ${open.kind}`);
  }

  /** The set that it is among those of its time. */
  #snapshotAs(found: Ids, from: number): Set<number> {
    const { history, pending } = this.#committed;
    const possible = [...history.slice(from), ...(pending ? [pending] : [])];
    assert.ok(
      possible.some(ids => ids.size === found.size && [...ids].every(id => found.has(id))),
      `thread ${String(this.#number)} sees ${[...found].join(' ')}, which was never committed`,
    );
    return new Set(found);
  }

  async #section(kind: Kind, fails: boolean, steps: readonly Step[], around: Open | undefined): Promise<void> {
    const isPart = around !== undefined && kind !== 'own';
    const from = this.#committed.history.length - 1;
    let done: Open | undefined;
    const section = this.#open(kind, async db => {
      const writes = kind !== 'read';
      const view = isPart ? around.view && new Set(around.view) : writes ? new Set(this.#committed.now) : undefined;
      const open: Open = { kind, db, writes, around, view, from: isPart ? around.from : from };
      await this.run(steps, open);
      // The policy is its own also after those inside of it.
      if (writes) await this.#add(open);
      await this.#look(open);
      done = open;
      if (fails && writes) throw new AsTold();
      if (fails) await (db as ReadWriteDb<Rows>).deleteFrom('row').execute();
      if (writes && !isPart) this.#committed.pending = open.view;
    });
    if (!isAllowed(kind, around)) {
      await assert.rejects(section, { code: 'ERR_SECTION_NESTING' });
      return;
    }
    if (!fails) await section;
    else await assert.rejects(section, kind === 'read' ? ReadOnlyViolation : AsTold);
    if (isPart) {
      // One that reads has seen the snapshot of the one around it.
      if (kind === 'read' ? around.view === undefined : !fails) around.view = done?.view;
    } else if (kind !== 'read' && !fails && done?.view !== undefined) {
      this.#committed.history.push(done.view);
      this.#committed.pending = undefined;
    }
  }

  #open(kind: Kind, work: (db: ReadDb<Rows> | ReadWriteDb<Rows>) => Promise<void>): Promise<void> {
    if (kind === 'read') return this.#store.read(work);
    return this.#store.readWrite(`thread ${String(this.#number)}`, work, { ownTransaction: kind === 'own' });
  }
}

function isWriting(open: Open | undefined): boolean {
  return open !== undefined && (open.writes || isWriting(open.around));
}

function isAllowed(kind: Kind, around: Open | undefined): boolean {
  if (kind === 'read' || around === undefined) return true;
  return kind === 'own' ? !isWriting(around) : around.writes;
}
