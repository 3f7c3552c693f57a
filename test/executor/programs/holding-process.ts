/** Updates `git:web` in a cache, says so, and stays, idle, until the first byte on its stdin. */
import { RepoCache } from 'drone-task-queue/executor';

const [folder = '', url = ''] = process.argv.slice(2);
await new RepoCache({ folder, urlOf: () => url }).update({ connection: 'git', project: 'web' });
process.stdout.write('updated\n');
process.stdin.once('data', () => process.exit(0));
