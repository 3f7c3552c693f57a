/** Agents that are not ours, and what they can get from the controller by way of a transfer: a failure. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { DroneTaskQueue, SshDrone } from 'drone-task-queue';
import { type ExecRequest, startSshServer } from 'drone-task-queue/testing';
import { encode } from '../../../src/queue/wire/codec/codec.js';
import { encodeFrame, FrameReader } from '../../../src/queue/wire/frames.js';
import { FrameType, PROTOCOL_VERSION, type ReadyReport } from '../../../src/queue/wire/messages.js';
import { exceptionOf, failureOf } from '../../contract/rejections.js';
import { Scratch } from '../../contract/trees.js';
import { leakCheck } from '../../support/leak-check.js';

leakCheck();

const POLL_MS = 5;

type Say = (type: number, payload?: Uint8Array) => void;

/** Plays an agent that answers each frame of a call as `onFrame` says, given the frame's type and what to answer with. */
function playAgent(request: ExecRequest, onFrame: (type: number, say: Say) => void): void {
  const marker = /drone-[0-9a-f]{24}/.exec(request.command)?.[0] ?? '';
  const ready: ReadyReport = { protocol: PROTOCOL_VERSION, pid: 1, nodeVersion: process.version };
  request.stdout.write(`\n${marker} ${process.version}\n`);
  request.stdout.write(encodeFrame(FrameType.Ready, 0, 0, encode(ready)));
  const reader = new FrameReader((type, batch, index) => {
    if (batch === 0) return;
    onFrame(type, (answer, payload) => request.stdout.write(encodeFrame(answer, batch, index, payload)));
  });
  let input = Buffer.alloc(0);
  let bundleEnd = Infinity;
  request.stdin.on('data', (chunk: Buffer) => {
    if (bundleEnd === 0) {
      reader.push(chunk);
      return;
    }
    input = Buffer.concat([input, chunk]);
    if (input.length >= 4) bundleEnd = 4 + input.readUInt32LE(0);
    if (input.length < bundleEnd) return;
    reader.push(input.subarray(bundleEnd));
    bundleEnd = 0;
  });
  request.stdin.on('end', () => {
    request.exit(0);
  });
}

const ROOT = new Uint8Array([3, ...encode({ name: new Uint8Array(0), mode: 0o755, mtimeMs: 0 })]);
const CHUNK = new Uint8Array(100_000).fill(2);
const fileNamed = (name: string): Uint8Array =>
  new Uint8Array([1, ...encode({ name: new Uint8Array(Buffer.from(name)), mode: 0o644, mtimeMs: 0, size: 2 ** 40 })]);

const LIES: readonly {
  name: string;
  method?: 'putFile' | 'getFile' | 'getDirectory';
  lie: (type: number, say: Say) => void;
  says: RegExp;
}[] = [
  {
    name: 'starts a transfer for a command',
    lie: (_, say) => {
      say(FrameType.TransferStart);
    },
    says: /a transfer was started by run, which has none/,
  },
  {
    name: 'sends parts of a file for a command',
    lie: (_, say) => {
      say(FrameType.Data, ROOT);
    },
    says: /a frame of a transfer that was not started/,
  },
  {
    name: 'starts a transfer twice',
    method: 'getFile',
    lie: (_, say) => {
      say(FrameType.TransferStart);
      say(FrameType.TransferStart);
    },
    says: /a transfer was started twice/,
  },
  {
    name: 'sends where it should receive',
    method: 'putFile',
    lie: (type, say) => {
      if (type !== FrameType.Call) return;
      say(FrameType.TransferStart);
      say(FrameType.Data, CHUNK);
    },
    says: /a part of a file from the side that is to receive it/,
  },
  {
    name: 'gives more credit than it can',
    method: 'putFile',
    lie: (type, say) => {
      if (type !== FrameType.Call) return;
      say(FrameType.TransferStart);
      say(FrameType.Credit, new Uint8Array(4).fill(255));
    },
    says: /credit for 4294967295 bytes/,
  },
  {
    name: 'heeds no window',
    method: 'getFile',
    lie: (type, say) => {
      if (type !== FrameType.Call) return;
      say(FrameType.TransferStart);
      say(FrameType.Data, fileNamed(''));
      for (let part = 0; part < 1000; part++) say(FrameType.Data, CHUNK);
    },
    says: /bytes ahead of its consumer/,
  },
  {
    name: 'returns before the end of a transfer',
    method: 'getFile',
    lie: (type, say) => {
      if (type !== FrameType.Call) return;
      say(FrameType.TransferStart);
      say(FrameType.Data, fileNamed(''));
      say(FrameType.Data, CHUNK);
      say(FrameType.Value, encode({}));
    },
    says: /a transfer returned before it was over/,
  },
  {
    name: 'names a way out of the folder',
    method: 'getDirectory',
    lie: (type, say) => {
      if (type !== FrameType.Call) return;
      say(FrameType.TransferStart);
      say(FrameType.Data, ROOT);
      say(FrameType.Data, fileNamed('../../out'));
    },
    says: /a part with an impossible name: '\.\.\/\.\.\/out'/,
  },
  {
    name: 'ends a transfer without a report',
    method: 'getFile',
    lie: (type, say) => {
      if (type !== FrameType.Call) return;
      say(FrameType.TransferStart);
      say(FrameType.DataEnd, encode('done'));
    },
    says: /a transfer ended without a report/,
  },
];

for (const { name, method, lie, says } of LIES) {
  test(`an agent that ${name} ends its link with protocol, and no file is left`, async () => {
    await using scratch = await Scratch.make();
    await using server = await startSshServer({
      onExec: request => {
        playAgent(request, lie);
      },
    });
    await using queue = new DroneTaskQueue();
    const drone = new SshDrone('liar', server.droneOptions());
    const folder = await scratch.folder('in');
    const call =
      method === undefined
        ? drone.queueCall('run', 'true')
        : drone.queueCall(method, await scratch.hole('from'), `${folder}/to`);
    const failure = failureOf(await exceptionOf(queue.execute([drone])), drone);
    assert.equal(failure.kind, 'protocol', String(failure));
    assert.deepEqual(failure.mayHaveRun, [call]);
    assert.match(String(failure.cause), says);
    // One that was just being made when the link ended goes a moment later.
    while ((await readdir(folder, { recursive: true })).some(path => path !== 'to')) await delay(POLL_MS);
    assert.equal(existsSync(scratch.of('out')), false);
  });
}
