/** Updates `git:web` in a cache of its own with the git it is given, and exits at the first byte on its stdin. */
import { RepoCache } from 'drone-task-queue/executor';

const [folder = '', url = '', program = ''] = process.argv.slice(2);
process.stdin.once('data', () => process.exit(0));
await new RepoCache({ folder, urlOf: () => url, git: { program } }).update({ connection: 'git', project: 'web' });
