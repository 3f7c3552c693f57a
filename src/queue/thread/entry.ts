/** A worker thread's entry: what piscina runs there. One dispatcher per thread, which serves it until the end. */
import { isMainThread, type MessagePort } from 'node:worker_threads';
import type { Dispatcher } from './dispatcher.js';
import type { ThreadSettings } from '../wire/messages.js';

if (isMainThread) throw new Error('thread.js is for worker threads; the main thread runs a Dispatcher of its own');

let attached: Promise<Dispatcher> | undefined;

function dispatcher(): Promise<Dispatcher> {
  if (attached === undefined) throw new Error('the thread was given work before its port');
  return attached;
}

/** First task of every thread: the port for everything but jobs. */
export async function attach(connection: { port: MessagePort; settings: ThreadSettings }): Promise<void> {
  attached = makeDispatcher(connection);
  await attached;
}

/**
 * Piscina tries `require` before `import`. Where a loader such as tsx is at work, this very module is then a CommonJS
 * copy, and so would be all that it imports statically; but transports are imported as ES modules, and their errors would
 * be of another class than those the link knows.
 */
async function makeDispatcher({
  port,
  settings,
}: {
  port: MessagePort;
  settings: ThreadSettings;
}): Promise<Dispatcher> {
  const made = new (await import('./dispatcher.js')).Dispatcher(settings, bytes => {
    port.postMessage(bytes, [bytes.buffer]);
  });
  port.on('message', made.receive);
  return made;
}

/** Runs the batches of a job. Stays open until all are settled, so that the thread's death is told with its cause. */
export async function run(job: Uint8Array): Promise<void> {
  await (await dispatcher()).run(job);
}

/** Last task: ends agents and connections. */
export async function close(graceMs: number): Promise<void> {
  await (await dispatcher()).close(graceMs);
}
