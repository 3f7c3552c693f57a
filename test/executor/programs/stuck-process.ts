/** Gives the update of `git:web` up at the first byte on its stdin, though no signal reaches its git; and then has nothing to do. */
import { RepoCache } from 'drone-task-queue/executor';

const [folder = '', url = '', program = ''] = process.argv.slice(2);
const kill = process.kill.bind(process);
process.kill = (pid, signal) => (pid < 0 && signal !== 0 ? true : kill(pid, signal));
const stop = new AbortController();
process.stdin.once('data', () => stop.abort(new Error('given up')));
const cache = new RepoCache({ folder, urlOf: () => url, git: { program, killGraceMs: 50 } });
await cache.update({ connection: 'git', project: 'web' }, stop.signal).catch((error: unknown) => {
  if ((error as Error).message !== 'given up') throw error;
});
