/** An executor on workspaces that others have, too, with one job, which runs until a file is there. Then it stops. */
import { DroneTaskQueue, LocalDrone } from 'drone-task-queue';
import { MemoryJobSource, RepoCache, RepoExecutor } from 'drone-task-queue/executor';

const [folder = '', workspaces = '', command = ''] = process.argv.slice(2);
const jobs = new MemoryJobSource();
const executor = new RepoExecutor({
  cache: new RepoCache({ folder, urlOf: () => undefined }),
  jobs,
  workspaces,
  droneFor: () => new LocalDrone(),
  queueFor: () => new DroneTaskQueue(),
});
const answer = await jobs.submit('executor:execute', { projects: [], commands: [command] });
await executor.close();
process.exitCode = answer.ok ? 0 : 1;
