/**
 * The agent's entry, bundled to one file that the loader runs on the drone. The same text runs in the worker threads of
 * users' modules, so that it stays one file.
 */
import { workerData } from 'node:worker_threads';
import { Agent } from './agent.js';
import { runUtilityThread, type UtilityThreadData } from './utility-thread.js';

declare const bundle: string;

const threadData = workerData as UtilityThreadData | null;
if (threadData?.role === 'utility') runUtilityThread(threadData);
else new Agent(bundle).start();
