import type { BranchName } from '../shared-file-cache.js';

/** Where something is defined. */
export interface LayoutPlace {
  readonly project: string;
  readonly branch: string;
  readonly path: string;
  /** The line of its name, counted from 1. */
  readonly line: number;
}

/** A pipeline for changes. */
export interface LayoutPipeline {
  readonly name: string;
  readonly description: string | undefined;
  readonly source: LayoutPlace;
}

/** What to run for a change, in terms of `executor:execute`. */
export interface LayoutJob {
  readonly name: string;
  readonly description: string | undefined;
  /** The drone must have all of them. */
  readonly labels: readonly string[];
  /** For `/bin/sh`, run one after another. At least one. */
  readonly commands: readonly string[];
  /** Added to the commands' environment. */
  readonly env: Readonly<Record<string, string>>;
  /** For each command, ms. */
  readonly timeoutMs: number | undefined;
  /** Needed in addition to the change's own project, which may be one of them. */
  readonly projects: readonly string[];
  readonly source: LayoutPlace;
}

/** The jobs that a project's entry names for one pipeline. */
export interface EntryJobs {
  readonly source: BranchName;
  readonly project: string;
  readonly pipeline: string;
  readonly jobs: readonly string[];
}

export interface LayoutParts {
  readonly pipelines: readonly LayoutPipeline[];
  /** By name, the definitions of one project in the order of its branches. */
  readonly jobs: ReadonlyMap<string, readonly LayoutJob[]>;
  /** In the order in which the files are read. */
  readonly entries: readonly EntryJobs[];
}

/** A tenant's pipelines, its jobs, and which jobs run for which change. Immutable, like everything it returns. */
export class Layout {
  /** In the order in which they are defined. */
  readonly pipelines: readonly LayoutPipeline[];
  /** One definition per name: the one that changes to other projects use. */
  readonly jobs: readonly LayoutJob[];
  readonly #definitions: LayoutParts['jobs'];
  /** By the project that they are for. */
  readonly #entries: ReadonlyMap<string, readonly EntryJobs[]>;

  /** @internal */
  constructor({ pipelines, jobs, entries }: LayoutParts) {
    this.pipelines = Object.freeze([...pipelines]);
    this.jobs = Object.freeze([...jobs.values()].flatMap(definitions => definitions.slice(0, 1)));
    this.#definitions = jobs;
    const byProject = new Map<string, EntryJobs[]>();
    for (const entry of entries) {
      const ofProject = byProject.get(entry.project);
      if (ofProject === undefined) byProject.set(entry.project, [entry]);
      else ofProject.push(entry);
    }
    this.#entries = byProject;
    Object.freeze(this);
  }

  /**
   * The jobs to run in a pipeline for a change to this branch, in order, each once: first those that other projects
   * add, then the project's own. Empty for an unknown project or pipeline.
   */
  jobsFor({ project, branch }: BranchName, pipeline: string): readonly LayoutJob[] {
    const entries = this.#entries.get(project) ?? [];
    const own = entries.filter(({ source }) => source.project === project && source.branch === branch);
    const given = entries.filter(({ source }) => source.project !== project);
    const names = [...given, ...own].filter(entry => entry.pipeline === pipeline).flatMap(({ jobs }) => jobs);
    return Object.freeze([...new Set(names)].flatMap(name => this.#job(name, project, branch) ?? []));
  }

  /** As the change's branch defines it, else the first branch. */
  #job(name: string, project: string, branch: string): LayoutJob | undefined {
    const definitions = this.#definitions.get(name) ?? [];
    return definitions.find(({ source }) => source.project === project && source.branch === branch) ?? definitions[0];
  }
}
