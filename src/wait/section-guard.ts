/**
 * A section is a stretch of database work in one logical thread: an async context (`AsyncLocalStorage`) with all that the
 * section's callback calls and awaits. While it writes, code may wait for the database only. The store sets sections; code
 * that waits for anything else asks here first.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface GuardedSection {
  /** False once its callback has ended: work that it left behind is outside of the section. */
  readonly isOpen: boolean;
  readonly writes: boolean;
  /** For messages: `readWrite section 'why' (opened at file:line)`. */
  readonly title: string;
  /** The section in which this one was opened. */
  readonly outer: GuardedSection | undefined;
}

/** See {@link ContextSwitchError}. */
export type ContextSwitchErrorCode = 'ERR_CONTEXT_SWITCH' | 'ERR_SECTION_ENDED' | 'ERR_OTHER_SECTION';

/**
 * A call would have let other work run while a section was open, or other work used a section's handle.
 *
 * - `ERR_CONTEXT_SWITCH`: the call would wait for something other than the database inside a section that writes.
 *   Nothing was started. Wait before or after the section.
 * - `ERR_SECTION_ENDED`: the handle was used after the section's end. The statement was not run. Await everything in
 *   the section.
 * - `ERR_OTHER_SECTION`: another logical thread or an inner section used the handle. The statement was not run. An
 *   inner section has its own handle.
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

export function inSection<T>(section: GuardedSection, work: () => T): T {
  return sections.run(section, work);
}

/** Long-lived things (threads, pools, timers) would otherwise work in the section that happened to create them. */
export function inNoSection<T>(work: () => T): T {
  return sections.run(undefined, work);
}

/** The sections of this logical thread, the innermost first, including those that have ended. */
export function* sectionsAround(): Generator<GuardedSection, undefined> {
  for (let section = sections.getStore(); section !== undefined; section = section.outer) yield section;
}

/** The innermost section of this logical thread that is open. */
export function currentSection(): GuardedSection | undefined {
  for (const section of sectionsAround()) if (section.isOpen) return section;
  return undefined;
}

/** Rejects where `refuseInSection` throws; otherwise runs `work` outside of sections and returns the same promise. */
export function outsideSections<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    refuseInSection(what);
    return inNoSection(work);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Throws a ContextSwitchError (`ERR_CONTEXT_SWITCH`) in a section that writes, or in one inside of it. `what` names the
 * wait, as the subject of a sentence: "execute of the queue 'jobs'".
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
