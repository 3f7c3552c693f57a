/** A program that takes a job of the lane `execute`, says so with the job's id, and does nothing more. Arguments: url, lockMs. */
import { RedisJobSource } from 'drone-task-queue/executor';

const [, , url = '', lockMs = ''] = process.argv;
const jobs = await RedisJobSource.open({ url, lockMs: Number(lockMs) });
const { id } = await jobs.take('execute', 'there', new AbortController().signal);
process.stdout.write(`${id}\n`);
