/** Compiled, never run: each job's name knows its arguments and its answer. */
import {
  type CatReply,
  type ExecuteReport,
  type JobAnswer,
  type JobDone,
  type JobFailed,
  type JobFailure,
  type JobName,
  type Jobs,
  type MemoryJobSource,
  type MergeReply,
  Merger,
  type RedisJobSource,
  type RepoCache,
  type StopReply,
} from 'drone-task-queue/executor';
import { GitFileSource } from 'drone-task-queue/tenants';

/** Compiles only for a value of exactly this type. */
function exactly<Expected>(): <Given>(
  given: Given,
  ...same: [Given, Expected] extends [Expected, Given] ? [] : [never]
) => void {
  return () => undefined;
}

const items = [{ connection: 'git', project: 'web', branch: 'main', ref: 'refs/pull/1/head' }];
const cat = { connection: 'git', project: 'web', branch: 'main', files: ['README.md'] };

export async function answers(jobs: MemoryJobSource | RedisJobSource, host: string): Promise<void> {
  exactly<JobAnswer<MergeReply>>()(await jobs.submit('merger:merge', { items }));
  exactly<JobAnswer<CatReply>>()(await jobs.submit('merger:cat', cat));
  exactly<JobAnswer<ExecuteReport>>()(await jobs.submit('executor:execute', { projects: [], commands: ['ls'] }, 'id'));
  exactly<JobAnswer<StopReply>>()(await jobs.submit(`executor:stop:${host}`, { id: 'id' }));
  exactly<JobAnswer<null>>()(await jobs.submit('executor:release:here', { branches: [] }));

  // @ts-expect-error -- no such job
  await jobs.submit('merger:dance', {});
  // @ts-expect-error -- a job of a host needs the host
  await jobs.submit('executor:stop', { id: 'id' });
  // @ts-expect-error -- the arguments of another job
  await jobs.submit('merger:merge', cat);
  // @ts-expect-error -- a misspelt argument
  await jobs.submit('executor:execute', { projects: [], command: ['ls'] });
  // @ts-expect-error -- no arguments
  await jobs.submit('merger:cat', null);
}

/** What is common to all jobs can be written once. */
export async function valueOf<Name extends JobName>(
  jobs: MemoryJobSource,
  name: Name,
  args: Jobs[Name]['args'],
): Promise<Jobs[Name]['value']> {
  const answer = await jobs.submit(name, args);
  if (answer.ok) return answer.value;
  exactly<JobFailed>()(answer);
  throw new Error(answer.error.message);
}

export async function outcomes(jobs: MemoryJobSource, cache: RepoCache): Promise<string> {
  const merge = await jobs.submit('merger:merge', { items });
  if (merge.ok) {
    exactly<JobDone<MergeReply>>()(merge);
    const job = { projects: merge.value.branches, commands: ['ls'], repoState: merge.value.repoState };
    const run = await jobs.submit('executor:execute', job);
    return run.ok ? run.value.hostname : String(run.error.report?.commands.length);
  }
  exactly<JobFailure>()(merge.error);
  // @ts-expect-error -- a failure has no value
  exactly<undefined>()(merge.value);
  const direct = await new Merger(cache).mergeChanges(items);
  if (direct.ok) return direct.commit;
  exactly<number>()(direct.error.item);
  switch (direct.error.code) {
    case 'ERR_MERGE_CONFLICT':
      return (direct.error.paths ?? []).join(', ');
    case 'ERR_NO_REF':
    case 'ERR_NO_REPOSITORY':
      return direct.error.message;
    default:
      return direct.error.isTransient ? 'later' : 'never';
  }
}

export function files(jobs: MemoryJobSource | RedisJobSource): GitFileSource {
  return new GitFileSource({
    ask: async request => jobs.submit('merger:cat', request),
    repositoryOf: project => ({ connection: 'git', project }),
  });
}
