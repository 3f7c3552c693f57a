/**
 * Sections: stretches of work on a database that belong to one logical thread of execution, and in which, while they
 * write, nothing may be waited for but the database. The store sets them; whatever waits for something else asks here
 * first. A logical thread is an async context (`AsyncLocalStorage`): what a section's callback calls and awaits is in it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** An open stretch of work, as those need to know it who may have to refuse to wait in it. */
export interface GuardedSection {
  /** False from the moment on that its callback has ended: work that it left behind is in no section. */
  readonly isOpen: boolean;
  readonly writes: boolean;
  /** For messages: `readWrite section 'why' (opened at file:line)`. */
  readonly title: string;
  /** The section in which this one was opened. */
  readonly outer: GuardedSection | undefined;
}

/** Why a section refused something: see {@link ContextSwitchError}. */
export type ContextSwitchErrorCode = 'ERR_CONTEXT_SWITCH' | 'ERR_SECTION_ENDED' | 'ERR_OTHER_SECTION';

/**
 * Something would have let other work in while a section is open, or a section's handle was used by other work.
 *
 * - `ERR_CONTEXT_SWITCH`: a wait for something other than the database, inside a section that writes. Refused before
 *   anything started. Wait first and write then, or write first and wait then.
 * - `ERR_SECTION_ENDED`: a section's handle, used after the section's end.
 * - `ERR_OTHER_SECTION`: a section's handle, used outside of that section's own flow of execution: by another logical
 *   thread, or by a section inside of it, which has a handle of its own.
 */
export class ContextSwitchError extends Error {
  override readonly name = 'ContextSwitchError';
  readonly code: ContextSwitchErrorCode;

  /** @internal */
  constructor(code: ContextSwitchErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

const sections = new AsyncLocalStorage<GuardedSection | undefined>();

/** Runs `work`, and all that it calls and awaits, in `section`. */
export function inSection<T>(section: GuardedSection, work: () => T): T {
  return sections.run(section, work);
}

/**
 * Runs `work`, and all that it calls and awaits, in no section: what it makes for long (threads, pools, timers) would
 * otherwise do its own work in the section that happened to be first to need it.
 */
export function inNoSection<T>(work: () => T): T {
  return sections.run(undefined, work);
}

/** The sections of this logical thread, the innermost first, those among them that have ended. */
export function* sectionsAround(): Generator<GuardedSection, undefined> {
  for (let section = sections.getStore(); section !== undefined; section = section.outer) yield section;
}

/** The innermost section of this logical thread that is open. */
export function currentSection(): GuardedSection | undefined {
  for (const section of sectionsAround()) if (section.isOpen) return section;
  return undefined;
}

/** As refuseInSection, by a rejection; gives the very promise of `work`, run in no section, where nothing is refused. */
export function outsideSections<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    refuseInSection(what);
    return inNoSection(work);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Throws ContextSwitchError (`ERR_CONTEXT_SWITCH`) in a section that writes, or in one inside of it. `what` names what is
 * about to be waited for, as the subject of a sentence: "execute of the queue 'jobs'".
 */
export function refuseInSection(what: string): void {
  for (const section of sectionsAround()) {
    if (!section.isOpen || !section.writes) continue;
    throw new ContextSwitchError(
      'ERR_CONTEXT_SWITCH',
      `${what} waits for something other than the database, inside the ${section.title}: nothing was started`,
    );
  }
}
