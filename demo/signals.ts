/** What the demo does on signals: SIGUSR2 shows who is waited for; SIGINT or SIGTERM ends it, a second one at once. */
import { constants } from 'node:os';
import type { DroneWorker } from 'drone-task-queue';
import type { Paint } from './paint.js';

const ENDING = ['SIGINT', 'SIGTERM'] as const;
const SHOWING = 'SIGUSR2';

export class Signals implements Disposable {
  readonly #paint: Paint;
  readonly #inFlight: () => readonly DroneWorker[];
  readonly #stop = new AbortController();

  constructor(paint: Paint, inFlight: () => readonly DroneWorker[]) {
    this.#paint = paint;
    this.#inFlight = inFlight;
    for (const name of ENDING) process.on(name, this.#end);
    process.on(SHOWING, this.#show);
  }

  /** Aborted by the first signal that ends the demo. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  readonly #end = (name: NodeJS.Signals): void => {
    // As shells tell it. The agents end with their connections, whatever becomes of us.
    if (this.#stop.signal.aborted) process.exit(128 + constants.signals[name]);
    this.#paint.line(`demo: ${name}, cancelling the round; a second signal ends the demo at once`);
    this.#stop.abort(new Error(`the demo was ended by ${name}`));
  };

  readonly #show = (): void => {
    const workers = this.#inFlight();
    this.#paint.line(`demo: ${SHOWING}, ${String(workers.length)} drones in flight`);
    for (const { drone, phase, call, sinceMs } of workers) {
      const what = call ? `, next is ${call.toString()}` : '';
      this.#paint.line(`  ${drone.hostname}: in phase ${phase} for ${sinceMs.toFixed(0)} ms${what}`);
    }
  };

  [Symbol.dispose](): void {
    for (const name of ENDING) process.off(name, this.#end);
    process.off(SHOWING, this.#show);
  }
}
