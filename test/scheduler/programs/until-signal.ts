/**
 * A scheduler that only a signal ends, and that then has to end by itself: with `long-pause` it stands in a pause of
 * an hour, with `endless-tick` in a tick that waits for nothing that would keep the process alive.
 */
import { TickLoop } from 'drone-task-queue/scheduler';

const say = (word: string): void => {
  process.stdout.write(`${word}\n`);
};

const log = { debug: say, info: say, warn: say, error: say };

const loop = new TickLoop(
  ({ signal }) => {
    signal.addEventListener('abort', () => {
      say('aborted');
    });
    if (process.argv[2] === 'endless-tick') {
      say('ticking');
      return new Promise(() => undefined);
    }
    setImmediate(say, 'pausing');
    return undefined;
  },
  { pauseMs: 60 * 60 * 1000, log },
);
await loop.run();
say(`ended after ${String(loop.ticks)}`);
