/** What a job of commands asks for. */
import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames, OptionReader } from '../option/option-reader.js';
import { checkRepoState } from './merge-item.js';
import type { RepoState } from './repo-cache.js';
import { checkPlaces, checkProject, type JobProject } from './workspace.js';

/** Arguments of `executor:execute`. */
export interface ExecuteJob {
  /** Each repository once, as its place in the workspace is `<connection>/<project>`. */
  readonly projects: readonly JobProject[];
  /** For `/bin/sh`, one after the other in the workspace; the first that exits with something else than 0 is the last. */
  readonly commands: readonly string[];
  /** Added to the commands' environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** For each command, ms. Default: the queue's `callTimeoutMs`. The queue's `roundDeadlineMs` ends it, too. */
  readonly timeoutMs?: number | undefined;
  /** From a merge: the branches that the job sees are as they were then. */
  readonly repoState?: RepoState | null | undefined;
  /** For `droneFor`. */
  readonly label?: string | undefined;
}

const FIELDS = ['projects', 'commands', 'env', 'timeoutMs', 'repoState', 'label'] satisfies (keyof ExecuteJob)[];

/** Throws TypeError (`ERR_INVALID_ARG`) that names the field at fault. */
export function checkExecuteJob(job: unknown): ExecuteJob {
  checkNames(job, FIELDS);
  const { projects, commands, repoState } = job as ExecuteJob;
  const read = new OptionReader(job, FIELDS);
  read.environment('env');
  read.limit('timeoutMs', 'a number of milliseconds above 0', value => value > 0);
  read.text('label');
  if (!Array.isArray(projects)) throw invalidArgument('projects', projects, 'a list');
  if (!Array.isArray(commands) || commands.some(command => typeof command !== 'string' || command === '')) {
    throw invalidArgument('commands', commands, 'a list of non-empty strings');
  }
  checkRepoState(repoState);
  const checked = projects.map(checkProject);
  checkPlaces(checked);
  return { ...(job as ExecuteJob), projects: checked };
}
