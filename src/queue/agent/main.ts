/**
 * The agent's entry: bundled to one file that the loader runs on the drone. The same text also runs in the worker
 * threads that the agent starts for users' own methods, so that it stays a single file.
 */
import { workerData } from 'node:worker_threads';
import { Agent } from './agent.js';
import { runUtilityThread, type UtilityThreadData } from './utility-thread.js';

/** The text of this very program, handed in by the loader. */
declare const bundle: string;

const threadData = workerData as UtilityThreadData | null;
if (threadData?.role === 'utility') runUtilityThread(threadData);
else new Agent(bundle).start();
