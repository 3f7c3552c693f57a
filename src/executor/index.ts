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
export type { CommandFailure, CommandReport, ExecuteReport } from './execute-job.js';
export type { ClonedProject, JobProject } from './workspace.js';
export type { CatJob, CatReply, MergeJob, MergeReply, ReleaseJob } from './merger-jobs.js';
export type { Job, JobAnswer, JobDone, JobFailed, JobFailure, JobLane, JobSource } from './job-source.js';
export { MemoryJobSource } from './memory-job-source.js';
export { RedisJobSource } from './redis/redis-job-source.js';
export type { RedisJobSourceOptions } from './redis/redis-options.js';
export { Merger } from './merger.js';
export type { Merged, MergeAnswer, MergedBranch, MergeItem, NotMerged } from './merge-item.js';
export type { MergeMode } from './merge-modes.js';
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
export type { StatsClient, StatsServer, StatsTarget } from '../report/stats.js';
export { events } from './events.js';
export type { JobEnd, UpdateEnd } from './events.js';
