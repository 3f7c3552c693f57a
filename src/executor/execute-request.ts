/** What a command job requests. */
import { checked, environment, text, timeLimit } from '../option/option-kinds.js';
import { Option, readOptions, type Table } from '../option/option-table.js';
import { checkRepoState } from './merge-item.js';
import type { RepoState } from './repo-cache.js';
import { checkPlaces, checkProject, type JobProject } from './workspace.js';

/** Arguments of `executor:execute`. */
export interface ExecuteJob {
  /** Each repository only once, because its place in the workspace is `<connection>/<project>`. */
  readonly projects: readonly JobProject[];
  /**
   * For `/bin/sh`, run one after another in the workspace; the first one that exits with a status other than 0 is the
   * last.
   */
  readonly commands: readonly string[];
  /** Added to the commands' environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** For each command, ms. Default: the queue's `callTimeoutMs`. The queue's `roundDeadlineMs` also ends it. */
  readonly timeoutMs?: number | undefined;
  /**
   * From a merge: the branches and tags of the workspace, including `origin/main`, are as they were then; later ones
   * are missing. A branch of `projects` that the state lacks is read as it is now.
   */
  readonly repoState?: RepoState | null | undefined;
  /** Passed to `droneFor`. */
  readonly label?: string | undefined;
}

const EXECUTE_JOB = {
  projects: checked<readonly JobProject[]>('a list', projects => Array.isArray(projects)).required,
  commands: checked<readonly string[]>(
    'a list of non-empty strings',
    commands => Array.isArray(commands) && commands.every(command => typeof command === 'string' && command !== ''),
  ).required,
  env: environment(),
  timeoutMs: timeLimit(),
  repoState: new Option<RepoState | null>('commits by connection, project and ref', state =>
    checkRepoState(state as RepoState | null | undefined),
  ),
  label: text(),
} satisfies Table<ExecuteJob>;

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the field at fault. */
export function checkExecuteJob(job: unknown): ExecuteJob {
  const projects = readOptions(EXECUTE_JOB, job).projects.map((project, at) =>
    checkProject(project, `projects[${String(at)}]`),
  );
  checkPlaces(projects);
  return { ...(job as ExecuteJob), projects };
}
