/** What the drones are asked to do: a random mix of all that a caller may want, each leaving its marks. */
import type { Call } from 'drone-task-queue';
import type { Dice } from './dice.js';
import { marked } from './drone-ledger.js';
import type { Member } from './farm.js';
import type { Timeline } from './timeline.js';

/** A queued call, and what the soak knows of it beforehand. */
export interface SoakCall {
  readonly id: string;
  readonly call: Call;
  readonly recipe: Recipe;
  /** A round has told so. */
  mayHaveRun: boolean;
}

export interface Recipe {
  readonly what: string;
  readonly weight: number;
  readonly needsAgent?: boolean;
  readonly idempotent?: boolean;
  /** It throws by itself, and has then been started so often. Any other call that throws is a breach. */
  readonly startsWhenThrown?: 0 | 1;
  /** It returns before it has left its marks, if it is let. */
  readonly marksLater?: boolean;
  queue(member: Member, id: string, dice: Dice): Call;
}

const SLOW_CHUNK_MS = 5;

const RECIPES: readonly Recipe[] = [
  {
    what: 'quick',
    weight: 8,
    queue: ({ drone, ledger }, id) => drone.queueCall('run', marked(ledger, id)),
  },
  {
    what: 'slow',
    weight: 4,
    queue: ({ drone, ledger }, id, dice) => drone.queueCall('run', marked(ledger, id, sleep(dice, 200, 1500))),
  },
  {
    what: 'idempotent',
    weight: 5,
    idempotent: true,
    queue: ({ drone, ledger }, id, dice) =>
      drone.with({ idempotent: true }).queueCall('run', marked(ledger, id, sleep(dice, 0, 800))),
  },
  {
    what: 'with a time-out of its own',
    weight: 2,
    queue: ({ drone, ledger }, id, dice) =>
      drone.with({ timeoutMs: dice.between(300, 1500) }).queueCall('run', marked(ledger, id, sleep(dice, 100, 2000))),
  },
  {
    what: 'idempotent, with a time-out of its own',
    weight: 1,
    idempotent: true,
    queue: ({ drone, ledger }, id, dice) =>
      drone
        .with({ timeoutMs: dice.between(300, 1500), idempotent: true })
        .queueCall('run', marked(ledger, id, sleep(dice, 100, 2000))),
  },
  {
    what: 'with a signal of its own',
    weight: 2,
    queue: ({ drone, ledger }, id, dice) =>
      drone
        .with({ signal: AbortSignal.timeout(dice.between(50, 4000)) })
        .queueCall('run', marked(ledger, id, sleep(dice, 100, 2000))),
  },
  {
    what: 'longer than a round',
    weight: 0.02,
    queue: ({ drone, ledger }, id) =>
      drone.with({ timeoutMs: Infinity }).queueCall('run', marked(ledger, id, 'sleep 25')),
  },
  {
    what: 'loud',
    weight: 1,
    queue: ({ drone, ledger }, id) => drone.queueCall('run', marked(ledger, id, 'head -c 200000 /dev/zero')),
  },
  {
    what: 'streamed',
    weight: 1,
    queue: ({ drone, ledger }, id) => {
      const onOutput = (): Promise<void> => new Promise(resolve => setTimeout(resolve, SLOW_CHUNK_MS));
      return drone.with({ onOutput }).queueCall('run', marked(ledger, id, 'head -c 400000 /dev/zero'));
    },
  },
  {
    what: 'in a folder that is not there',
    weight: 1,
    startsWhenThrown: 0,
    queue: ({ drone, ledger, folder }, id) =>
      drone.queueCall('run', marked(ledger, id), { cwd: `${folder}/not-there` }),
  },
  {
    what: 'own method',
    weight: 4,
    needsAgent: true,
    queue: ({ drone, ledger }, id, dice) => drone.queueCall('mark', ledger, id, dice.between(0, 1000)),
  },
  {
    what: 'own method that throws',
    weight: 1,
    needsAgent: true,
    startsWhenThrown: 1,
    queue: ({ drone, ledger }, id) => drone.queueCall('markAndThrow', ledger, id),
  },
  {
    what: 'own method that never ends',
    weight: 0.2,
    needsAgent: true,
    queue: ({ drone, ledger }, id, dice) =>
      drone.with({ timeoutMs: dice.between(300, 800) }).queueCall('markAndSpin', ledger, id),
  },
  {
    what: 'detached',
    weight: 1,
    needsAgent: true,
    marksLater: true,
    queue: ({ drone, ledger, folder }, id) =>
      drone.queueCall('executeCommand', ['/bin/sh', '-c', marked(ledger, id, 'sleep 8')], {
        workingDirectory: folder,
        pidfileName: `${id}.pid`,
      }),
  },
];

function sleep(dice: Dice, leastMs: number, mostMs: number): string {
  return `sleep ${String(dice.between(leastMs, mostMs) / 1000)}`;
}

/** Makes calls, and knows them again until their story is over. */
export class Calls {
  readonly #dice: Dice;
  readonly #timeline: Timeline;
  readonly #known = new Map<Call, SoakCall>();
  #queued = 0;

  constructor(dice: Dice, timeline: Timeline) {
    this.#dice = dice;
    this.#timeline = timeline;
  }

  get queued(): number {
    return this.#queued;
  }

  /** Asks a drone for one thing more. */
  queueOn(member: Member): void {
    const recipe = this.#dice.weighted(RECIPES.filter(({ needsAgent }) => member.hasAgent || needsAgent !== true));
    if (recipe) this.#queue(member, recipe);
  }

  /** Asks a drone for what nothing but a fault can keep it from. */
  queuePlainOn(member: Member): void {
    const [recipe] = RECIPES;
    if (recipe) this.#queue(member, recipe);
  }

  #queue(member: Member, recipe: Recipe): void {
    const { hostname } = member.drone;
    const id = `${hostname}.${String(++this.#queued)}`;
    this.#timeline.note({ drone: hostname, id, what: `queued: ${recipe.what}` });
    const call = recipe.queue(member, id, this.#dice);
    this.#known.set(call, { id, call, recipe, mayHaveRun: false });
  }

  of(call: Call): SoakCall {
    const known = this.#known.get(call);
    if (known === undefined) throw new Error(`${call.toString()} was not queued, or its story was over`);
    return known;
  }

  /** Nothing more will be told of it. */
  forget(call: Call): void {
    this.#known.delete(call);
  }

  get open(): number {
    return this.#known.size;
  }
}
