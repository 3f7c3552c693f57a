// Changes of two repositories are merged speculatively, each on top of the ones before it; a job runs its commands on what
// came out. A change that conflicts is refused with the files at fault, and nothing of it is left.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DroneTaskQueue, LocalDrone } from 'drone-task-queue';
import { MemoryJobSource, RepoCache, RepoExecutor, type MergeItem } from 'drone-task-queue/executor';

const folder = mkdtempSync(join(tmpdir(), 'merge-and-run-'));

// Two repositories; yours are on a server.
function git(project: string, ...args: string[]): void {
  const identity = ['-c', 'user.name=you', '-c', 'user.email=you@example.org'];
  execFileSync('git', ['-C', join(folder, project), ...identity, ...args], { stdio: 'ignore' });
}

function commit(project: string, file: string, text: string): void {
  writeFileSync(join(folder, project, file), text);
  git(project, 'add', '--all');
  git(project, 'commit', '-m', `${file}: ${text}`);
}

/** As a forge keeps it: the branch stays, the change has a ref of its own. */
function change(project: string, name: string, file: string, text: string): MergeItem {
  git(project, 'checkout', '-b', name, 'main');
  commit(project, file, text);
  git(project, 'update-ref', `refs/changes/${name}`, 'HEAD');
  git(project, 'checkout', 'main');
  return { connection: 'local', project, branch: 'main', ref: `refs/changes/${name}` };
}

for (const project of ['library', 'service']) {
  mkdirSync(join(folder, project));
  git(project, 'init', '--initial-branch=main');
  commit(project, 'version', '1\n');
}
const changes = [
  change('library', 'faster', 'faster', 'yes\n'),
  change('library', 'two', 'version', '2\n'),
  change('service', 'uses-two', 'needs', 'library 2\n'),
  change('library', 'three', 'version', '3\n'),
];

const jobs = new MemoryJobSource();
const executor = new RepoExecutor({
  cache: new RepoCache({ folder: join(folder, 'cache'), urlOf: (_, project) => join(folder, project) }),
  jobs,
  workspaces: join(folder, 'workspaces'),
  droneFor: () => new LocalDrone(),
  queueFor: () => new DroneTaskQueue(),
});

for (let many = 1; many <= changes.length; many++) {
  const items = changes.slice(0, many);
  const merge = await jobs.submit('merger:merge', { items });
  const ref = String(items.at(-1)?.ref);
  if (!merge.ok) {
    const { paths, message } = merge.error;
    console.log(`${ref}: refused: ${paths === undefined ? message : `conflict in ${paths.join(', ')}`}`);
    continue;
  }
  const { branches, repoState } = merge.value;
  const commands = ['cat local/*/version', 'ls local/*/'];
  const run = await jobs.submit('executor:execute', { projects: branches, commands, repoState });
  const report = run.ok ? run.value : run.error.report;
  if (report === undefined) throw new Error(`${ref} did not run`, { cause: run });
  const output = report.commands.map(({ result }) => result.stdout.trim().replaceAll(/\s+/g, ' ')).join('; ');
  console.log(`${ref}: ${run.ok ? 'good' : 'bad'}: ${output}`);
}

await executor.close();
rmSync(folder, { recursive: true });
