/**
 * Looks names up as the system does: by its `hosts` file, name servers and whatever else its configuration names, in its order.
 *
 * It uses getaddrinfo, which cannot be cancelled. Node runs only two of them at once in a whole process, so a few names
 * whose server is silent would keep all others waiting. So a separate process looks up many at once. It is killed when all
 * of its remaining look-ups were given up. If none of its places becomes free for PATIENCE_MS, another process takes the
 * rest.
 */
import { onAbort } from '../../../wait/abort.js';
import { lookUpHere, NameProcess, type Wanted } from './name-process.js';

const PATIENCE_MS = 250;
/** Most processes of one thread. */
const MOST_PROCESSES = 4;

interface Waiting {
  start(): void;
}

const line = new Set<Waiting>();
/** All processes, until they are gone. */
const processes = new Set<NameProcess>();
let patience: NodeJS.Timeout | undefined;

/**
 * The addresses of a name, at least one. `onStart` is called when the look-up begins, perhaps at once. Rejects with the system's
 * error, or at once when aborted. Unless `held`, it does not keep the process alive.
 */
export function lookUp(
  host: string,
  held: boolean,
  signal: AbortSignal,
  onStart: () => void,
): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    let giveUp = (): void => undefined;
    const wanted: Wanted = {
      host,
      held,
      resolve: addresses => {
        stopListening();
        resolve(addresses);
      },
      reject: error => {
        stopListening();
        reject(error);
      },
    };
    const waiting: Waiting = {
      start: () => {
        onStart();
        giveUp = startIn(placeFor(), wanted);
      },
    };
    const stopListening = onAbort(signal, reason => {
      line.delete(waiting);
      giveUp();
      reject(reason);
    });
    line.add(waiting);
    startWaiting();
  });
}

/** Ends processes without look-ups that are awaited; resolves when all that were ended are gone. */
export async function endLookUps(): Promise<void> {
  await Promise.all([...processes].map(each => each.endIfIdle()));
}

function startWaiting(): void {
  let isGoingOn = false;
  for (const waiting of line) {
    if (living() > 0 && placeFor() === undefined) break;
    line.delete(waiting);
    waiting.start();
    isGoingOn = true;
  }
  if (isGoingOn || line.size === 0) {
    clearTimeout(patience);
    patience = undefined;
  }
  if (line.size > 0 && living() < MOST_PROCESSES) {
    patience ??= setTimeout(() => {
      patience = undefined;
      open();
      startWaiting();
    }, PATIENCE_MS).unref();
  }
}

function living(): number {
  return [...processes].filter(each => !each.isOver).length;
}

function placeFor(): NameProcess | undefined {
  return [...processes].find(each => !each.isFull);
}

function startIn(place: NameProcess | undefined, wanted: Wanted): () => void {
  const process = place ?? open();
  if (process !== undefined) return process.start(wanted);
  lookUpHere(wanted.host).then(wanted.resolve, wanted.reject);
  return () => undefined;
}

/** Undefined where no process can be started, such as with Node's permissions, or with no files left. */
function open(): NameProcess | undefined {
  try {
    const process = new NameProcess(startWaiting);
    processes.add(process);
    void process.gone.then(() => processes.delete(process));
    return process;
  } catch {
    return undefined;
  }
}
