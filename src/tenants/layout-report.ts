/** What became of tenants that were to get new layouts. */
import { inspect } from 'node:util';
import { LayoutError, type LayoutFault } from './layout-error.js';

/**
 * What became of a tenant: `loaded`, it has a new layout; `failed`, it has the one that it had; `gone`, there is no such
 * tenant (any more); `busy`, somebody else has its lock and nothing was done.
 */
export type LayoutOutcome = 'loaded' | 'failed' | 'gone' | 'busy';

/** Something that kept a tenant from its new layout. */
export interface LayoutProblem extends LayoutFault {
  readonly tenant: string;
  /** What was thrown. */
  readonly cause: unknown;
}

/** What became of the tenants that were to get new layouts. */
export interface LayoutReport {
  /** By tenant. */
  readonly outcomes: ReadonlyMap<string, LayoutOutcome>;
  /** Of those that failed. */
  readonly problems: readonly LayoutProblem[];
}

/** A report that is being made. */
export class Report implements LayoutReport {
  readonly outcomes = new Map<string, LayoutOutcome>();
  readonly problems: LayoutProblem[] = [];
}

/** A branch that could not be read. */
export interface BranchFailure {
  readonly project: string;
  readonly branch: string;
  readonly error: unknown;
}

/** Carries what failed from where it did to the report. */
export class UnreadBranches extends Error {
  readonly failures: readonly BranchFailure[];

  constructor(failures: readonly BranchFailure[]) {
    super('branches could not be read');
    this.failures = failures;
  }
}

/** What an error that kept a tenant from its layout says, problem by problem. */
export function problemsOf(tenant: string, error: unknown): LayoutProblem[] {
  if (error instanceof LayoutError) return error.faults.map(fault => ({ ...fault, tenant, cause: error }));
  if (error instanceof UnreadBranches) {
    return error.failures.map(({ project, branch, error: cause }) => {
      return { tenant, project, branch, reason: `its files could not be read: ${messageOf(cause)}`, cause };
    });
  }
  return [{ tenant, reason: messageOf(error), cause: error }];
}

function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : inspect(error);
}
