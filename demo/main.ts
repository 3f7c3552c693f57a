/**
 * `npm run demo`: a tick loop over this machine and six drones behind real SSH, or over hosts of yours (`--help`).
 * Exits with 1 when anything went other than planned, with 2 for bad arguments.
 */
import { DroneTaskQueueException, ThreadedTaskQueue } from 'drone-task-queue';
import { TickLoop } from 'drone-task-queue/scheduler';
import { type DemoArguments, readArguments, USAGE, UsageError } from './arguments.js';
import { Audit } from './audit.js';
import { type Fleet, queueTick } from './fleet.js';
import { givenHosts } from './given-hosts.js';
import { LoopDelay } from './loop-delay.js';
import { ownHosts } from './own-hosts.js';
import { Paint } from './paint.js';
import { planJobs } from './plan-jobs.js';
import { Signals } from './signals.js';
import { TickTable } from './tick-table.js';

const PAUSE_MS = 200;
const CLOSE_GRACE_MS = 2000;

try {
  const args = readArguments(process.argv.slice(2));
  if (args.help) console.log(USAGE);
  else await demo(args);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`demo: ${error.message} (--help tells more)`);
  process.exitCode = 2;
}

async function demo(args: DemoArguments): Promise<void> {
  const paint = new Paint();
  await using fleet = args.hosts.length > 0 ? givenHosts(args) : await ownHosts();
  await using queue = new ThreadedTaskQueue({ name: 'demo' });
  paint.line(`drone-task-queue demo: ${fleet.title}`);
  const audit = new Audit(fleet);
  const delay = new LoopDelay();
  using signals = new Signals(paint, () => queue.inFlight());
  const startedAtMs = performance.now();
  await tickLoop(args.ticks, { paint, fleet, queue, audit, delay, stop: signals.stop }).run();
  await queue.close({ graceMs: CLOSE_GRACE_MS });

  const tookMs = performance.now() - startedAtMs;
  paint.line(`\n${audit.summary()} in ${tookMs.toFixed(0)} ms; main-loop delay at most ${delay.maxMs.toFixed(1)} ms`);
  if (audit.problems.length === 0) {
    paint.line(paint.colour('green', 'Everything went as planned.'));
    return;
  }
  paint.line(paint.colour('red', 'Not as planned:'));
  for (const problem of audit.problems) paint.line(`  ${problem}`);
  process.exitCode = 1;
}

interface Stage {
  readonly paint: Paint;
  readonly fleet: Fleet;
  readonly queue: ThreadedTaskQueue;
  readonly audit: Audit;
  readonly delay: LoopDelay;
  /** Cancels the round in flight, and ends the loop with it. */
  readonly stop: AbortSignal;
}

function tickLoop(maxTicks: number, { paint, fleet, queue, audit, delay, stop }: Stage): TickLoop {
  const say = (message: string): void => {
    paint.line(message);
  };
  let hasShownException = false;
  const showOnce = (exception: DroneTaskQueueException): void => {
    if (hasShownException) return;
    hasShownException = true;
    paint.line(`\n${paint.colour('red', `${exception.name} (${exception.code})`)}, ${told(exception)}`);
  };

  return new TickLoop(
    async ({ tick }) => {
      const echoes = fleet.drones.map(drone => queueTick(drone, tick));
      await fleet.prepare(tick);
      const wait = tick % 2 === 1;
      const title = `\ntick ${String(tick)}, execute with wait: ${String(wait)}`;
      const table = new TickTable(paint, title, fleet.drones, () => queue.inFlight());
      delay.start();
      let meanwhile = '';
      let round;
      try {
        const results = await queue.execute(fleet.drones, { wait, signal: stop });
        if (!results) {
          const jobs = await planJobs(fleet.drones, () => queue.inFlight().length === 0);
          meanwhile = `; the scheduler planned ${String(jobs)} jobs meanwhile`;
        }
        round = results ?? (await queue.getResults());
      } catch (error) {
        if (!(error instanceof DroneTaskQueueException)) throw error;
        round = error;
      }
      table.end(`${delay.stop()}${meanwhile}`);
      if (round instanceof DroneTaskQueueException && round.code === 'ERR_ROUND_CANCELLED') {
        paint.line(`\nThe round was cancelled, ${told(round)}`);
        return;
      }
      if (round instanceof DroneTaskQueueException) showOnce(round);
      audit.check(tick, round, echoes);
    },
    {
      name: 'demo',
      pauseMs: PAUSE_MS,
      maxTicks,
      onError: 'stop',
      signals: false,
      signal: stop,
      log: { debug: () => undefined, info: say, warn: say, error: say },
    },
  );
}

/** The exception as a scheduler may log it: who failed how, and what became of each failed drone's calls. */
function told({ message, failures, results }: DroneTaskQueueException): string {
  const fates = [...failures.values()].flatMap(({ hostname, completed, mayHaveRun, notStarted }) => [
    `  ${hostname}: ${String(completed.length)} completed`,
    ...mayHaveRun.map(call => `    may have run: ${call.toString()}`),
    ...notStarted.map(call => `    not started, back in its queue: ${call.toString()}`),
  ]);
  const lines = message.split('\n').map(line => `  ${line}`);
  return [`with the results of ${String(results.size)} other drones:`, ...lines, ...fates].join('\n');
}
