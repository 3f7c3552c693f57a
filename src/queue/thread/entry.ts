/** A worker thread's entry for piscina. One dispatcher serves the thread until its end. */
import { isMainThread, type MessagePort } from 'node:worker_threads';
import type { Dispatcher } from './dispatcher.js';
import type { ThreadSettings } from '../wire/messages.js';

if (isMainThread) throw new Error('thread.js is for worker threads; the main thread runs its own Dispatcher');

let attached: Promise<Dispatcher> | undefined;

function dispatcher(): Promise<Dispatcher> {
  if (attached === undefined) throw new Error('the thread was given work before its port');
  return attached;
}

/** First task of every thread: takes the port for everything but jobs. */
export async function attach(connection: { port: MessagePort; settings: ThreadSettings }): Promise<void> {
  attached = makeDispatcher(connection);
  await attached;
}

/**
 * Piscina tries `require` before `import`. Under a loader such as tsx this module is then a CommonJS copy, with all its
 * static imports, but transports are imported as ES modules: the link would not recognize their error classes.
 */
async function makeDispatcher({
  port,
  settings,
}: {
  port: MessagePort;
  settings: ThreadSettings;
}): Promise<Dispatcher> {
  const made = new (await import('./dispatcher.js')).Dispatcher(settings, bytes =>
    port.postMessage(bytes, [bytes.buffer]),
  );
  port.on('message', made.receive);
  return made;
}

/** Runs the batches of a job until all are settled, so that piscina reports the thread's death with its cause. */
export async function run(job: Uint8Array): Promise<void> {
  await (await dispatcher()).run(job);
}

/** Last task: ends agents and connections. */
export async function close(graceMs: number): Promise<void> {
  await (await dispatcher()).close(graceMs);
}
