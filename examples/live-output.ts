// Output while a command runs: as a loop over one call, and as a function for the calls of many drones. Either way the
// command waits for the reader of its output, so that memory stays bounded however much it writes.
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { LocalDrone, type OutputChunk, ThreadedTaskQueue } from 'drone-task-queue';

const queue = new ThreadedTaskQueue();
const drone = new LocalDrone();

/** Chunks may end anywhere, in the middle of a line or of a character; a stream's decoder sees to the latter. */
async function printLines(output: AsyncIterable<OutputChunk>): Promise<void> {
  async function* stdout(): AsyncGenerator<Uint8Array> {
    for await (const { stream, chunk } of output) if (stream === 'stdout') yield chunk;
  }
  for await (const line of createInterface({ input: Readable.from(stdout(), { objectMode: false }) })) {
    console.log(`build: ${line}`);
  }
}

const build = drone.queueCall('run', 'for step in fetch compile link; do echo $step; sleep 0.1; done; echo done >&2');
// Asked for before the round starts; read while it runs.
const printed = printLines(build.output());

let heardBytes = 0;
const onOutput = async (_stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> => {
  // The next chunk comes when this is done, say with writing to a file.
  await new Promise(setImmediate);
  heardBytes += chunk.byteLength;
};
const flood = drone.with({ onOutput }).queueCall('run', 'yes | head -c 5000000');
const both = drone.with({ onOutput: () => undefined }).queueCall('run', 'seq 1000', { maxOutputBytes: 10 });

const results = await queue.execute([drone]);
await printed;

console.log(`build: exit code ${String(build.valueIn(results).exitCode)}`);
// What is streamed is counted and not kept, unless it is said how much.
console.log(`flood: heard ${String(heardBytes)}, kept '${flood.valueIn(results).stdout}'`);
console.log(`both: kept ${JSON.stringify(both.valueIn(results).stdout)}`);

await queue.close();
