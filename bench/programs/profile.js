// Where a program's time goes: self time by package, from V8's own profiler.
import { Session } from 'node:inspector/promises';

const SAMPLE_EVERY_US = 100;
const NOT_OURS = /\/node_modules\/(?:.*\/node_modules\/)?((?:@[^/]+\/)?[^/]+)\//;
const OURS = /\/dist\/(.+)/;
const CRYPTO = /^node:internal\/crypto|^node:crypto/;
/** Rooms of ours, by the beginning of their files' paths; the first that fits counts. */
const OWN = new Map([
  ['queue/wire/', 'codec and frames'],
  ['queue/thread/outbox', 'codec and frames'],
  ['queue/transport/ssh/', 'ssh'],
  ['queue/thread/', 'thread'],
]);

/** @typedef {import('node:inspector').Profiler.ProfileNode} ProfileNode */

/**
 * Self time of `work` by package, us. Time in which nothing runs is not in it.
 * @param {() => Promise<unknown>} work
 * @returns {Promise<Record<string, number>>}
 */
export async function profile(work) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US });
  await session.post('Profiler.start');
  await work();
  const { profile: found } = await session.post('Profiler.stop');
  session.disconnect();
  return byPackage(found);
}

/** @param {import('node:inspector').Profiler.Profile} profile */
function byPackage({ nodes, samples = [], timeDeltas = [] }) {
  /** @type {Map<number, string>} */
  const packages = new Map();
  /** @param {ProfileNode} node @param {string} caller */
  const visit = (node, caller) => {
    const own = packageOf(node.callFrame, caller);
    packages.set(node.id, own);
    for (const child of node.children ?? []) {
      const found = byId.get(child);
      if (found) visit(found, own);
    }
  };
  const byId = new Map(nodes.map(node => [node.id, node]));
  if (nodes[0]) visit(nodes[0], 'node: other');
  /** @type {Record<string, number>} */
  const sums = {};
  samples.forEach((id, at) => {
    const name = packages.get(id) ?? '';
    // A sample's own time is that until the next one.
    if (name !== '(idle)') sums[name] = (sums[name] ?? 0) + (timeDeltas[at + 1] ?? 0);
  });
  return sums;
}

/**
 * Native functions have no file: they are their caller's.
 * @param {ProfileNode['callFrame']} frame @param {string} caller
 */
function packageOf({ functionName, url }, caller) {
  if (functionName === '(idle)') return '(idle)';
  if (functionName === '(garbage collector)') return 'garbage collection';
  if (functionName === '(program)') return 'native code and kernel';
  if (url === '') return caller;
  if (url.startsWith('node:')) return CRYPTO.test(url) ? 'node: crypto' : 'node: sockets, streams, other';
  const name = NOT_OURS.exec(url)?.[1];
  if (name !== undefined) return name;
  const own = OURS.exec(url)?.[1];
  if (own === undefined) return 'the bench itself';
  const [, room = 'queue, rounds, other'] = [...OWN].find(([start]) => own.startsWith(start)) ?? [];
  return `drone-task-queue: ${room}`;
}
