/**
 * `drone-task-queue/executor`: git repositories kept on this machine, merged there, and cloned from there for jobs.
 *
 *     JobSource ─► RepoExecutor ─► updates, workspaces ─► TaskQueue ─► Drone
 *                       │               │
 *                       └──► Merger ─► RepoCache: a lock and a copy for each repository ─► git
 */
export { RepoExecutor } from './repo-executor.js';
export type { RepoExecutorOptions } from './executor-options.js';
export type { ExecuteJob } from './execute-request.js';
export type { ClonedProject, CommandFailure, CommandReport, ExecuteReport } from './execute-report.js';
export type { JobProject } from './workspace.js';
export type { CatJob, CatReply, MergeJob, MergeReply, ReleaseJob } from './merger-jobs.js';
export type { JobName, Jobs, StopJob, StopReply } from './jobs.js';
export type { JobAnswer, JobDone, JobFailed, JobFailure } from './job-answer.js';
export type { Job, JobLane, JobSource } from './job-source.js';
export type { SubmitOptions } from './submit-options.js';
export { MemoryJobSource } from './memory-job-source.js';
export type { MemoryJobSourceOptions } from './memory-job-source.js';
export { RedisJobSource } from './redis/redis-job-source.js';
export type { RedisJobSourceOptions } from './redis/redis-options.js';
export { Merger } from './merger.js';
export type { Merged, MergeAnswer, MergedBranch, MergeFailure, MergeItem, NotMerged } from './merge-item.js';
export type { CommitAuthor, MergeMode } from './merge-step.js';
export type { FileTexts } from './read-files.js';
export { RepoCache } from './repo-cache.js';
export type { RepoCacheOptions, RepoState } from './repo-cache.js';
export type { RefCommits } from './cached-repo.js';
export type { RepoName } from './repo-name.js';
export type { GitOptions } from './git.js';
export { GitError } from './git-error.js';
export type { GitErrorCode } from './git-error.js';
export { ExecutorError } from './executor-error.js';
export type { ExecutorErrorCode } from './executor-error.js';
export { DeduplicateQueue } from './deduplicate-queue.js';
export type { ItemLocks } from './deduplicate-queue.js';
export type { Clock } from '../wait/clock.js';
export type { Log } from '../report/log.js';
export type { StatsClient, StatsServer, StatsTarget } from '../report/metrics-target.js';
export { events, subscribe, type ExecutorMessages } from './events.js';
export type { JobEnd, UpdateEnd } from './events.js';
