/** A call that runs until something ends it, and tells that it does. */
import type { Call, CallOptions, RunResult } from 'drone-task-queue';

/** A drone that has `run`. */
interface Runner {
  with(options: CallOptions): { queueCall(method: 'run', command: string): Call<RunResult> };
}

export interface Running {
  readonly call: Call<RunResult>;
  /** The command's process, once it runs. */
  readonly pid: Promise<number>;
}

/** Does `first` before it says that it runs. */
export function queueRunning(drone: Runner, first = ':', idempotent = false): Running {
  let resolve: (pid: number) => void;
  const pid = new Promise<number>(settle => {
    resolve = settle;
  });
  const onOutput = (_stream: string, chunk: Uint8Array): void => {
    resolve(Number(Buffer.from(chunk).toString()));
  };
  const command = `${first}; echo $$; exec sleep 600`;
  return { call: drone.with({ onOutput, idempotent }).queueCall('run', command), pid };
}
