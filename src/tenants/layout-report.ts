import { inspect } from 'node:util';
import { LayoutError, type LayoutFault } from './layout-error.js';

/** `loaded`: it has a new layout; `failed`: it keeps the old one; `gone`: there is no such tenant; `busy`: its lock is taken. */
export type LayoutOutcome = 'loaded' | 'failed' | 'gone' | 'busy';

/** Why a tenant keeps its old layout. */
export interface LayoutProblem extends LayoutFault {
  readonly tenant: string;
  /** What was thrown. */
  readonly cause: unknown;
}

/** Outcomes of making layouts. */
export interface LayoutReport {
  /** By tenant. */
  readonly outcomes: ReadonlyMap<string, LayoutOutcome>;
  /** Of the tenants that failed. */
  readonly problems: readonly LayoutProblem[];
}

export class Report implements LayoutReport {
  readonly outcomes = new Map<string, LayoutOutcome>();
  readonly problems: LayoutProblem[] = [];
}

export interface BranchFailure {
  readonly project: string;
  readonly branch: string;
  readonly error: unknown;
}

/** Carries the failures of branches to the report. */
export class UnreadBranches extends Error {
  readonly failures: readonly BranchFailure[];

  constructor(failures: readonly BranchFailure[]) {
    super('branches could not be read');
    this.failures = failures;
  }
}

/** The single problems in an error of `makeLayout` or of reading. */
export function problemsOf(tenant: string, error: unknown): LayoutProblem[] {
  if (error instanceof LayoutError) return error.faults.map(fault => ({ ...fault, tenant, cause: error }));
  if (error instanceof UnreadBranches) {
    return error.failures.map(({ project, branch, error: cause }) => {
      return { tenant, project, branch, reason: `its files could not be read: ${messageOf(cause)}`, cause };
    });
  }
  return [{ tenant, reason: messageOf(error), cause: error }];
}

/** For the log. A LayoutError holds all faults, each of which has a line of its own. */
export function fieldsOf({ cause, ...fault }: LayoutProblem): Record<string, unknown> {
  return cause instanceof LayoutError ? fault : { ...fault, cause };
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : inspect(error);
}
