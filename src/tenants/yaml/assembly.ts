/**
 * Joins the definitions of all files of a tenant. A name belongs to one project, which may define it on each of its
 * branches; every used name has to be defined in some file.
 */
import type { CheckedTenant } from '../tenant-config.js';
import { quoted } from './file-faults.js';
import type { FileDefinitions, JobDefinition, ProjectEntry } from './file-definitions.js';
import { type EntryJobs, Layout, type LayoutPlace } from './layout.js';
import { MAX_NAME_LENGTH, suggestion } from '../../option/near-name.js';
import type { UnreadNames } from './unread-names.js';
import type { NameUse } from './value-reader.js';

/** Adds faults to their files. The layout is sound only without any faults. */
export function assembleLayout(files: readonly FileDefinitions[], unread: UnreadNames, tenant: CheckedTenant): Layout {
  const pipelines = gather('pipeline', files, file => file.pipelines);
  const jobs = gather('job', files, file => file.jobs.map(({ job }) => job));
  const known: Known = {
    pipelines: new Set(pipelines.keys()),
    jobs: new Set(jobs.keys()),
    projects: new Set(tenant.projects.map(({ project }) => project)),
    unread,
  };
  for (const file of files) checkUses(file, known);
  return new Layout({
    pipelines: [...pipelines.values()].flatMap(definitions => definitions.slice(0, 1)),
    jobs,
    entries: entriesThatHold(files),
  });
}

/** By name, the definitions of the first project that has it, in the order of the files. */
function gather<T extends { readonly name: string; readonly source: LayoutPlace }>(
  kind: string,
  files: readonly FileDefinitions[],
  definedIn: (file: FileDefinitions) => readonly T[],
): Map<string, T[]> {
  /** By name and branch: a name may be defined on many branches. */
  const byName = new Map<string, Map<string, T>>();
  for (const file of files) {
    const { project, branch } = file.file;
    for (const definition of definedIn(file)) {
      const { name, source } = definition;
      const byBranch = byName.get(name) ?? new Map<string, T>();
      const [first] = byBranch.values();
      const other = first?.source.project === project ? byBranch.get(branch) : first;
      if (other === undefined) byName.set(name, byBranch.set(branch, definition));
      else
        file.faults.add(source.line, () => `${kind} ${quoted(name)} is already defined in ${placeText(other.source)}`);
    }
  }
  return new Map(Array.from(byName, ([name, byBranch]) => [name, [...byBranch.values()]]));
}

function placeText({ project, branch, path, line }: LayoutPlace): string {
  return `${path}:${String(line)} (${project}, ${branch})`;
}

interface Known {
  readonly pipelines: ReadonlySet<string>;
  readonly jobs: ReadonlySet<string>;
  readonly projects: ReadonlySet<string>;
  readonly unread: UnreadNames;
}

function checkUses({ faults, jobs, projects }: FileDefinitions, { unread, ...known }: Known): void {
  const check = (kind: string, { name, line }: NameUse, names: ReadonlySet<string>): void => {
    if (names.has(name)) return;
    // It may be defined in an unreadable file, whose fault is enough. A longer name cannot.
    if (names !== known.projects && name.length <= MAX_NAME_LENGTH && unread.mayHave(name)) return;
    faults.add(line, () => `there is no ${kind} ${quoted(name)}${suggestion(name, names)}`);
  };
  const checkJob = ({ projects: uses }: JobDefinition): void => {
    for (const use of uses) check('project', use, known.projects);
  };
  const checkEntry = ({ project, pipelines }: ProjectEntry): void => {
    check('project', project, known.projects);
    for (const { pipeline, jobs: uses } of pipelines) {
      check('pipeline', pipeline, known.pipelines);
      for (const use of uses) check('job', use, known.jobs);
    }
  };
  jobs.forEach(checkJob);
  projects.forEach(checkEntry);
}

/** A project's entry for itself holds on its branch; for another project the entry of its first branch holds. */
function entriesThatHold(files: readonly FileDefinitions[]): EntryJobs[] {
  /** By both projects. */
  const firstBranches = new Map<string, string>();
  return files.flatMap(({ file: { project: by, branch }, projects }) =>
    projects.flatMap(({ project: { name: project }, pipelines }) => {
      const key = JSON.stringify([by, project]);
      if (!firstBranches.has(key)) firstBranches.set(key, branch);
      if (by !== project && firstBranches.get(key) !== branch) return [];
      return pipelines.map(({ pipeline, jobs }) => ({
        source: { project: by, branch },
        project,
        pipeline: pipeline.name,
        jobs: jobs.map(({ name }) => name),
      }));
    }),
  );
}
