/** What a running command tells a test: the numbers on its first line. */
import type { CallOptions } from 'drone-task-queue';

export class Told {
  /** For the call that runs it. */
  readonly onOutput: NonNullable<CallOptions['onOutput']>;
  /** Process ids, as a rule. */
  readonly numbers: Promise<number[]>;

  constructor() {
    let tell: (numbers: number[]) => void = () => undefined;
    this.numbers = new Promise(resolve => {
      tell = resolve;
    });
    let text = '';
    this.onOutput = (_stream, chunk) => {
      text += Buffer.from(chunk).toString();
      const [line, rest] = text.split('\n', 2);
      if (rest !== undefined) tell((line ?? '').split(' ').map(Number));
    };
  }
}
