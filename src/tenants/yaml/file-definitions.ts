/** The definitions of one file, each key and value checked by itself, without regard to other files. */
import { MAX_TIMER_MS } from '../../wait/clock.js';
import type { ConfigFile } from '../loader-options.js';
import { type FileFaults, quoted } from './file-faults.js';
import type { LayoutJob, LayoutPipeline, LayoutPlace } from './layout.js';
import { type NameUse, ValueReader } from './value-reader.js';
import type { YamlEntry, YamlValue } from './yaml-value.js';

export interface JobDefinition {
  readonly job: LayoutJob;
  readonly projects: readonly NameUse[];
}

export interface ProjectEntry {
  readonly project: NameUse;
  readonly pipelines: readonly { readonly pipeline: NameUse; readonly jobs: readonly NameUse[] }[];
}

export interface FileDefinitions {
  readonly file: ConfigFile;
  readonly faults: FileFaults;
  /** Whether all names that it defines could be read. */
  readonly isWhole: boolean;
  readonly pipelines: readonly LayoutPipeline[];
  readonly jobs: readonly JobDefinition[];
  readonly projects: readonly ProjectEntry[];
}

const SECTIONS = ['pipelines', 'jobs', 'projects'];
const PIPELINE_KEYS = ['description'];
const JOB_KEYS = ['description', 'labels', 'commands', 'env', 'timeoutMs', 'projects'];

/** `root`: undefined for an unreadable file. Adds to `faults`. */
export function readDefinitions(file: ConfigFile, root: YamlValue | undefined, faults: FileFaults): FileDefinitions {
  const read = new ValueReader(faults);
  const sections = read.fields(root ?? { kind: 'nothing', line: 1 }, 'the file', SECTIONS);
  const [pipelines, jobs] = ['pipelines', 'jobs'].map(name => {
    const section = sections?.get(name);
    return section === undefined ? [] : read.named(section, name);
  });
  const projects = sections?.get('projects');
  return {
    file,
    faults,
    isWhole: root !== undefined && sections !== undefined && pipelines !== undefined && jobs !== undefined,
    pipelines: (pipelines ?? []).map(entry => readPipeline(entry, placeOf(file, entry), read)),
    jobs: (jobs ?? []).map(entry => readJob(entry, placeOf(file, entry), read)),
    projects: (projects && read.entries(projects, 'projects'))?.map(entry => readProject(entry, read)) ?? [],
  };
}

function placeOf({ project, branch, path }: ConfigFile, { line }: YamlEntry): LayoutPlace {
  return Object.freeze({ project, branch, path, line });
}

function readPipeline({ key: name, value }: YamlEntry, source: LayoutPlace, read: ValueReader): LayoutPipeline {
  const of = `pipeline ${quoted(name)}`;
  const description = read.fields(value, of, PIPELINE_KEYS)?.get('description');
  return Object.freeze({ name, description: description && read.text(description, `description of ${of}`), source });
}

function readJob({ key: name, line, value }: YamlEntry, source: LayoutPlace, read: ValueReader): JobDefinition {
  const of = `job ${quoted(name)}`;
  const fields = read.fields(value, of, JOB_KEYS);
  /** The field, read by `as`, or `otherwise`. */
  const field = <T>(key: string, otherwise: T, as: (value: YamlValue, what: string) => T): T => {
    const found = fields?.get(key);
    return found === undefined ? otherwise : as(found, `${key} of ${of}`);
  };
  if (fields?.has('commands') === false) read.fault(line, () => `${of} has no commands, expected at least one`);
  const projects = field<NameUse[]>('projects', [], (at, what) => read.uses(at, what));
  const job: LayoutJob = {
    name,
    description: field('description', undefined, (at, what) => read.text(at, what)),
    labels: Object.freeze(field<NameUse[]>('labels', [], (at, what) => read.names(at, what)).map(nameOf)),
    commands: Object.freeze(field<string[]>('commands', [], (at, what) => readCommands(at, what, read))),
    env: Object.freeze(field('env', {}, (at, what) => readEnv(at, what, read))),
    timeoutMs: field('timeoutMs', undefined, (at, what) => read.count(at, what, MAX_TIMER_MS)),
    projects: Object.freeze(projects.map(nameOf)),
    source,
  };
  return { job: Object.freeze(job), projects };
}

function readCommands(value: YamlValue, what: string, read: ValueReader): string[] {
  const items = read.list(value, what);
  const isList = value.kind === 'list' || value.kind === 'nothing';
  if (isList && items.length === 0) read.fault(value.line, () => `${what} is an empty list, expected at least one`);
  return items.flatMap(item => {
    const command = read.text(item, `one of ${what}`);
    if (command?.trim() === '') read.fault(item.line, () => `one of ${what} is empty`);
    return command ?? [];
  });
}

function readEnv(value: YamlValue, what: string, read: ValueReader): Record<string, string> {
  const variables = (read.entries(value, what) ?? []).flatMap(({ key, line, value: of }) => {
    if (key === '' || /[=\0]/.test(key)) {
      read.fault(line, () => `a name in ${what} is ${quoted(key)}, expected one without '=' and zero bytes`);
    }
    const text = read.text(of, `${quoted(key)} in ${what}`);
    return text === undefined ? [] : [[key, text] as const];
  });
  return Object.fromEntries(variables);
}

function readProject({ key: name, line, value }: YamlEntry, read: ValueReader): ProjectEntry {
  const of = `project ${quoted(name)}`;
  const pipelines = (read.entries(value, of) ?? []).map(({ key, line: at, value: jobs }) => ({
    pipeline: { name: key, line: at },
    jobs: read.uses(jobs, `${quoted(key)} of ${of}`),
  }));
  return { project: { name, line }, pipelines };
}

function nameOf({ name }: NameUse): string {
  return name;
}
