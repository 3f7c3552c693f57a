// The pages of the documentation by group, in the order in which a user meets them. The site follows it; a test compares it
// with the files. A path that ends in `/` stands for every page of that directory that is not listed by itself.

/** @type {Readonly<Record<string, readonly string[]>>} */
export const CONTENTS = {
  'Getting started': ['docs/getting-started.md', 'docs/cron.md', 'docs/guarantees.md'],
  Rounds: ['docs/rounds.md', 'docs/failures.md', 'docs/retry-and-kick-out.md', 'docs/deadlines.md'],
  'Hosts and methods': [
    'docs/commands.md',
    'docs/ssh.md',
    'docs/ssh-config.md',
    'docs/hosts-without-node.md',
    'docs/files.md',
    'docs/own-methods.md',
    'docs/live-output.md',
  ],
  Scheduler: ['docs/scheduler.md', 'docs/drone-manager.md', 'docs/pidfiles.md'],
  'Store and shards': [
    'docs/store.md',
    'docs/shards.md',
    'docs/shard-scheduler.md',
    'docs/drone-shard.md',
    'docs/reverse-proxies.md',
  ],
  Tenants: ['docs/tenants.md', 'docs/layouts-yaml.md'],
  Executor: ['docs/executor.md', 'docs/gate.md', 'docs/repositories.md', 'docs/jobs.md'],
  'Your program': [
    'docs/testing.md',
    'docs/testing-a-manager.md',
    'docs/typescript.md',
    'docs/install.md',
    'docs/observability.md',
  ],
  Reference: ['docs/errors.md', 'docs/options.md', 'docs/options/', 'docs/limits.md'],
  Evidence: ['docs/benchmarks.md', 'docs/comparison.md', 'docs/faults.md'],
  Project: ['docs/upgrading.md', 'CHANGELOG.md', 'SECURITY.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'docs/design/'],
};

/**
 * The pages of each group, directories replaced by their pages in alphabetical order.
 * @param {readonly string[]} files paths of all pages, as in CONTENTS
 * @returns {[group: string, pages: string[]][]}
 */
export function pagesByGroup(files) {
  const listed = Object.values(CONTENTS).flat();
  return Object.entries(CONTENTS).map(([group, entries]) => [
    group,
    entries.flatMap(entry =>
      entry.endsWith('/')
        ? files.filter(file => file.startsWith(entry) && !listed.includes(file)).sort()
        : files.filter(file => file === entry),
    ),
  ]);
}
