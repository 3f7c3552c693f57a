/** What a tenant's files in YAML say, all together. */
import type { BranchName } from '../shared-file-cache.js';

/** Where something is defined. */
export interface LayoutPlace {
  readonly project: string;
  readonly branch: string;
  readonly path: string;
  /** From 1: that of its name. */
  readonly line: number;
}

/** A way that changes go. */
export interface LayoutPipeline {
  readonly name: string;
  readonly description: string | undefined;
  readonly source: LayoutPlace;
}

/** What is to be run for a change, in the terms of `executor:execute`. */
export interface LayoutJob {
  readonly name: string;
  readonly description: string | undefined;
  /** What the drone has to have, all of it. */
  readonly labels: readonly string[];
  /** For `/bin/sh`, one after the other. At least one. */
  readonly commands: readonly string[];
  /** Added to the commands' environment. */
  readonly env: Readonly<Record<string, string>>;
  /** For each command, ms; undefined when the job does not say. */
  readonly timeoutMs: number | undefined;
  /** To be there beside the change's own project, which may be one of them. */
  readonly projects: readonly string[];
  readonly source: LayoutPlace;
}

/** The jobs that a project's entry names for one pipeline. */
export interface EntryJobs {
  /** Who says so, on which branch. */
  readonly source: BranchName;
  readonly project: string;
  readonly pipeline: string;
  readonly jobs: readonly string[];
}

/** What a layout is made of. */
export interface LayoutParts {
  readonly pipelines: readonly LayoutPipeline[];
  /** By name, all definitions of one project, in the order of its branches. */
  readonly jobs: ReadonlyMap<string, readonly LayoutJob[]>;
  /** In the order in which the files are read. */
  readonly entries: readonly EntryJobs[];
}

/** A tenant's pipelines, its jobs, and which of them run for which change. It never changes, nor does what it gives. */
export class Layout {
  /** In the order in which they are defined. */
  readonly pipelines: readonly LayoutPipeline[];
  /** Each name once, as changes of other projects than its own get it. */
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
   * The jobs to run in a pipeline for a change of this branch of this project, in order, each once: first those that other
   * projects give to it, then its own. None for a project or a pipeline that the layout does not know.
   */
  jobsFor({ project, branch }: BranchName, pipeline: string): readonly LayoutJob[] {
    const entries = this.#entries.get(project) ?? [];
    const own = entries.filter(({ source }) => source.project === project && source.branch === branch);
    const given = entries.filter(({ source }) => source.project !== project);
    const names = [...given, ...own].filter(entry => entry.pipeline === pipeline).flatMap(({ jobs }) => jobs);
    return Object.freeze([...new Set(names)].flatMap(name => this.#job(name, project, branch) ?? []));
  }

  /** As the change's branch defines it; otherwise as the first branch does. */
  #job(name: string, project: string, branch: string): LayoutJob | undefined {
    const definitions = this.#definitions.get(name) ?? [];
    return definitions.find(({ source }) => source.project === project && source.branch === branch) ?? definitions[0];
  }
}
