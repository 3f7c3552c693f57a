/** Calls that prove that a drone works, and that it works where no file can be written. */
import assert from 'node:assert/strict';
import type { Call, DroneResults, RunResult } from 'drone-task-queue';

/** A drone that has `run`. */
interface Runner {
  queueCall(method: 'run', command: string, options?: { stdin: string }): Call<RunResult>;
}

/** Where programs write without being asked. */
const FOLDERS = '~ "$(dirname "$(mktemp -u)")"';

/** Queues them; returns what holds their values to it. */
export function queueNoRoom(drone: Runner): (results: DroneResults) => void {
  const works = drone.queueCall('run', 'cat; echo err >&2; exit 7', { stdin: 'out' });
  const wrote = drone.queueCall(
    'run',
    `for at in ${FOLDERS}; do (echo byte > "$at/room-$$") && echo "$at"; done; true`,
  );
  return results => {
    const { exitCode, stdout, stderr } = works.valueIn(results);
    assert.deepEqual([exitCode, stdout, stderr], [7, 'out', 'err\n']);
    const told = wrote.valueIn(results);
    assert.deepEqual([told.exitCode, told.stdout], [0, ''], 'it could write there');
  };
}
