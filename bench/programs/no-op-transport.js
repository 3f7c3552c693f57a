// Agents that live in the worker thread and answer every call at once: what is left is the queue's own cost.
import { encode } from '../../dist/queue/wire/codec/codec.js';
import { encodeFrame, FrameReader } from '../../dist/queue/wire/frames.js';
import { FrameType, PROTOCOL_VERSION } from '../../dist/queue/wire/messages.js';

/** @type {import('../../dist/queue/transport/transport.js').Transport} */
export const transport = {
  async open(_spec, start, events, context) {
    context.phase('connect');
    const calls = new FrameReader((type, batch, index) => {
      if (type !== FrameType.Call) return;
      // No agent answers before the write to it returns.
      queueMicrotask(() => {
        events.data(encodeFrame(FrameType.Value, batch, index));
      });
    });
    const end = () => {
      queueMicrotask(() => {
        events.end(undefined);
      });
    };
    queueMicrotask(() => {
      const ready = encode({ protocol: PROTOCOL_VERSION, pid: process.pid, nodeVersion: process.version });
      events.data(Buffer.from(`${start.marker} ${process.version}\n`));
      events.data(encodeFrame(FrameType.Ready, 0, 0, ready));
    });
    return {
      write: bytes => {
        calls.push(bytes);
      },
      hold: () => undefined,
      release: () => undefined,
      close: end,
      destroy: end,
    };
  },
};
