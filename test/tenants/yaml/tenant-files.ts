/** A tenant whose projects keep their configuration in YAML, without repositories. */
import assert from 'node:assert/strict';
import { type CheckedTenant, type ConfigFile, LayoutError, type LayoutFault } from 'drone-task-queue/tenants';
import { type Layout, yamlLayouts } from 'drone-task-queue/tenants/yaml';

/** `site` has two branches. */
export const TENANT: CheckedTenant = {
  name: 'web',
  projects: [
    { project: 'config', branches: ['main'], extraPaths: [] },
    { project: 'library', branches: ['main', 'next'], extraPaths: [] },
    { project: 'site', branches: ['main', 'stable'], extraPaths: [] },
  ],
};

const makeLayout = await yamlLayouts();

/** A file by `project branch`, or `project branch path`. */
export function filesOf(texts: Readonly<Record<string, string>>): ConfigFile[] {
  const files = Object.entries(texts).map(([place, text]) => {
    const [project = '', branch = '', path = 'drones.yaml'] = place.split(' ');
    return { project, branch, path, text };
  });
  const inOrder = TENANT.projects.flatMap(({ project, branches }) =>
    branches.flatMap(branch => files.filter(file => file.project === project && file.branch === branch)),
  );
  assert.equal(inOrder.length, files.length, 'a file of a branch that the tenant does not have');
  return inOrder;
}

export async function layoutOf(texts: Readonly<Record<string, string>>): Promise<Layout> {
  return makeLayout(filesOf(texts), TENANT);
}

export async function faultsOf(texts: Readonly<Record<string, string>>): Promise<readonly LayoutFault[]> {
  try {
    await layoutOf(texts);
  } catch (error) {
    assert(error instanceof LayoutError, String(error));
    return error.faults;
  }
  return [];
}
