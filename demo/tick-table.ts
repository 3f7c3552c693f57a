/** One tick as a table that fills while the drones run: in place on a terminal, line by line elsewhere. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { DroneError, DroneWorker } from 'drone-task-queue';
import { events } from 'drone-task-queue';
import type { FleetDrone } from './fleet.js';
import type { Paint } from './paint.js';

const REDRAW_MS = 80;
const MAX_OUTCOME_CHARS = 90;

interface Row {
  readonly drone: FleetDrone;
  readonly calls: number;
  outcome: { readonly tookMs: number; readonly error: DroneError | undefined } | undefined;
}

export class TickTable {
  readonly #paint: Paint;
  readonly #rows: readonly Row[];
  readonly #inFlight: () => readonly DroneWorker[];
  readonly #nameWidth: number;
  readonly #inPlace: boolean;
  readonly #startedAtMs = performance.now();
  #redraw: NodeJS.Timeout | undefined;

  /** Starts with the calls that are queued on the drones now. */
  constructor(paint: Paint, title: string, drones: readonly FleetDrone[], inFlight: () => readonly DroneWorker[]) {
    this.#paint = paint;
    this.#rows = drones.map(drone => ({ drone, calls: drone.getCalls().length, outcome: undefined }));
    this.#inFlight = inFlight;
    this.#nameWidth = Math.max(5, ...drones.map(({ hostname }) => hostname.length));
    // More rows than the terminal has could not be written over.
    this.#inPlace = paint.moves && drones.length + 3 < paint.rows;
    paint.line(paint.colour('bold', title));
    paint.line(paint.colour('dim', this.#cells('drone', 'calls', 'ms', 'outcome')));
    subscribe(events.workerFinish, this.#onWorker);
    subscribe(events.workerException, this.#onWorker);
    if (!this.#inPlace) return;
    this.#draw();
    this.#redraw = setInterval(() => {
      this.#draw();
    }, REDRAW_MS);
  }

  /** Writes what the tick came to under the rows. */
  end(summary: string): void {
    clearInterval(this.#redraw);
    unsubscribe(events.workerFinish, this.#onWorker);
    unsubscribe(events.workerException, this.#onWorker);
    if (this.#inPlace) this.#draw();
    this.#paint.line(`  ${summary}`);
  }

  readonly #onWorker = (message: unknown): void => {
    const { hostname, error } = message as { hostname: string; error?: DroneError };
    const row = this.#rows.find(({ drone, outcome }) => drone.hostname === hostname && outcome === undefined);
    if (!row) return;
    row.outcome = { tookMs: performance.now() - this.#startedAtMs, error };
    if (!this.#inPlace) this.#paint.line(this.#line(row));
  };

  #draw(): void {
    this.#paint.replace(this.#rows.map(row => this.#line(row)));
  }

  #line({ drone, calls, outcome }: Row): string {
    const cells = (tookMs: string, text: string): string =>
      this.#cells(drone.hostname, String(calls), tookMs, text).slice(0, this.#paint.columns);
    if (outcome) {
      const { tookMs, error } = outcome;
      const text = error ? (error.message.split('\n', 1)[0] ?? '').slice(0, MAX_OUTCOME_CHARS) : 'ok';
      return this.#paint.colour(error ? 'red' : 'green', cells(tookMs.toFixed(0), text));
    }
    const worker = this.#inFlight().find(each => each.drone === drone);
    return this.#paint.colour('yellow', cells('', worker ? `${worker.phase} …` : '…'));
  }

  #cells(name: string, calls: string, tookMs: string, outcome: string): string {
    return `  ${name.padEnd(this.#nameWidth)}  ${calls.padStart(5)}  ${tookMs.padStart(6)}  ${outcome}`;
  }
}
