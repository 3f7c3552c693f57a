import { invalidArgument } from '../option/invalid-argument.js';
import { checkNames } from '../option/option-table.js';
import { checkExtraPaths } from './config-path.js';

/** A project whose configuration a tenant uses. */
export interface TenantProject {
  /** Name of the repository, as known to the FileSource. */
  readonly project: string;
  /** Branches with configuration, in this order. Default `['main']`. */
  readonly branches?: readonly string[] | undefined;
  /**
   * Searched for configuration in addition to the roots: files, and directories with a slash at the end. Default: none.
   */
  readonly extraPaths?: readonly string[] | undefined;
}

/** A tenant in the list of tenants. */
export interface TenantConfig {
  readonly name: string;
  /** In the order in which their configuration is read. */
  readonly projects: readonly TenantProject[];
}

/** The list of tenants as published at one ltime. */
export interface TenantList {
  readonly ltime: number;
  readonly tenants: readonly TenantConfig[];
}

/** The source of the list of tenants: a file, a database, or another process. */
export interface TenantListSource {
  /** Returns the ltime of the list that was published last. Called often. */
  ltime(): Promise<number>;
  /** Returns the list that was published last. */
  read(): Promise<TenantList>;
}

/** A tenant's project after checks, with defaults filled in. */
export type CheckedProject = Required<{ readonly [K in keyof TenantProject]: NonNullable<TenantProject[K]> }>;

/** A tenant after checks, with defaults filled in: a frozen copy. */
export interface CheckedTenant {
  readonly name: string;
  readonly projects: readonly CheckedProject[];
}

const DEFAULT_BRANCHES: readonly string[] = ['main'];

/** Throws a TypeError (`ERR_INVALID_ARG`) that names the tenant and the field. */
export function checkTenants(tenants: unknown, roots: readonly string[]): CheckedTenant[] {
  if (!Array.isArray(tenants)) throw invalidArgument('tenants', tenants, 'a list of tenants');
  const checked = tenants.map((tenant, at) => checkTenant(`tenants[${String(at)}]`, tenant, roots));
  const names = checked.map(({ name }) => name);
  checkOnce('a tenant', names);
  return checked;
}

function checkTenant(field: string, tenant: unknown, roots: readonly string[]): CheckedTenant {
  checkNames(tenant, ['name', 'projects']);
  const { name, projects } = tenant as Partial<TenantConfig>;
  const checkedName = checkText(`${field}.name`, name);
  const of = `projects of tenant ${checkedName}`;
  if (!Array.isArray(projects)) throw invalidArgument(of, projects, 'a list of projects');
  const checked = projects.map((project, at) => checkProject(`${of}[${String(at)}]`, project, roots));
  const names = checked.map(({ project }) => project);
  checkOnce(of, names);
  return Object.freeze({ name: checkedName, projects: Object.freeze(checked) });
}

function checkProject(field: string, project: unknown, roots: readonly string[]): CheckedProject {
  checkNames(project, ['project', 'branches', 'extraPaths']);
  const { project: name, branches, extraPaths } = project as Partial<TenantProject>;
  const given: unknown = branches ?? DEFAULT_BRANCHES;
  if (!Array.isArray(given)) throw invalidArgument(`${field}.branches`, given, 'a list of names');
  const checked = given.map((branch, at) => checkText(`${field}.branches[${String(at)}]`, branch));
  checkOnce(`${field}.branches`, checked);
  return Object.freeze({
    project: checkText(`${field}.project`, name),
    branches: Object.freeze(checked),
    extraPaths: Object.freeze(checkExtraPaths(`${field}.extraPaths`, extraPaths ?? [], roots)),
  });
}

export function checkText(field: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalidArgument(field, value, 'a non-empty string');
}

function checkOnce(field: string, names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) throw invalidArgument(field, twice, 'each name once');
}
