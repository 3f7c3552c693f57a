/** The sources of jobs that must pass the contract suite. */
import { after, before } from 'node:test';
import {
  type JobAnswer,
  type JobSource,
  MemoryJobSource,
  type MemoryJobSourceOptions,
  RedisJobSource,
  type SubmitOptions,
} from 'drone-task-queue/executor';
import { type Redis, startRedis } from '../../support/redis.js';

/** What all of them have besides `take`. */
export interface OpenSource extends JobSource {
  submit(name: string, args: unknown, options?: string | SubmitOptions): Promise<JobAnswer>;
  withdraw(id: string): Promise<boolean>;
  close(): Promise<void> | void;
}

export interface SourceKind {
  readonly title: string;
  /** A source with no jobs in it. */
  readonly open: (options?: MemoryJobSourceOptions) => Promise<OpenSource>;
}

/** Called at the top of a test file. */
export function sources(): readonly SourceKind[] {
  let redis: Redis;
  let opened = 0;
  before(async () => {
    redis = await startRedis();
  });
  after(async () => redis.stop());
  return [
    { title: 'MemoryJobSource', open: async options => new MemoryJobSource(options) },
    {
      title: 'RedisJobSource',
      open: async options => {
        opened += 1;
        return RedisJobSource.open({ url: redis.url, prefix: `test-${String(opened)}`, ...options });
      },
    },
  ];
}
