/** The life of a process that works with a store: it may die between any two steps, and others have theirs in between. */
import type { FarmTables } from 'drone-task-queue/shard';
import type { Store } from 'drone-task-queue/store';

/** The process is dead: whatever it was at is not done. */
export class Death extends Error {}

export class Life {
  readonly #meanwhile: () => Promise<void>;
  #stepsLeft: number;
  #sections = 0;

  /** `meanwhile` is what others do between two steps. */
  constructor(stepsLeft: number, meanwhile: () => Promise<void>) {
    this.#stepsLeft = stepsLeft;
    this.#meanwhile = meanwhile;
  }

  get isOver(): boolean {
    return this.#stepsLeft < 0;
  }

  /** Throws Death in the last one, and from then on. */
  async step(): Promise<void> {
    // In a section no other gets to write, and what is read of others is a snapshot.
    if (!this.isOver && this.#sections === 0) await this.#meanwhile();
    this.#stepsLeft -= 1;
    this.#live();
  }

  /**
   * The store as this process sees it: dead, it begins no section and commits none. A commit that it does not hear of any
   * more is a death in the step that follows.
   */
  storeOf(store: Store<FarmTables>): Store<FarmTables> {
    const sections: Pick<Store<FarmTables>, 'read' | 'readWrite'> = {
      read: (work, options) => this.#section(() => store.read(work, options)),
      readWrite: (why, work, options) =>
        this.#section(() =>
          store.readWrite(
            why,
            async tx => {
              const value = await work(tx);
              this.#live();
              return value;
            },
            options,
          ),
        ),
    };
    return new Proxy(store, { get: (_, name) => sections[name as keyof typeof sections] });
  }

  async #section<T>(run: () => Promise<T>): Promise<T> {
    await this.step();
    this.#sections += 1;
    let value: T;
    try {
      value = await run();
    } finally {
      this.#sections -= 1;
    }
    await this.step();
    return value;
  }

  #live(): void {
    if (this.isOver) throw new Death('this process is dead');
  }
}
