/** What may know what. The tables say why; ARCHITECTURE.md draws it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { WORDS } from './banned-words.js';
import {
  cycleBreaches,
  exceptionBreaches,
  layerBreaches,
  mapBreaches,
  packageBreaches,
  packagesInTypes,
  readSources,
  sizeBreaches,
  tableBreaches,
  wordBreaches,
  type Layer,
  type PackageRule,
  type SourceFile,
  type WordRule,
} from './source-rules.js';

const ROOT = new URL('../', import.meta.url);
const MAX_LINES = 350;

/** A first-level entry of src is a door of package.json or a shared room named for its topic. */
const ROOMS = `
  index.ts queue scheduler store executor tenants shard testing
  process report wait option`;

/** Of the core, what a product on top of it does not reach into. */
const INSIDE_THE_CORE = ['transfer', 'plain agent', 'transports', 'threads', 'rounds'];

/** From what knows nothing to what knows all: a layer imports what stands before it, but for what it excludes. */
const LAYERS: readonly Layer[] = [
  {
    name: 'shared rooms',
    files: ['process/', 'option/', 'wait/', 'report/'],
    not: [],
    because: 'every side stands on them, so they can know none of them',
  },
  {
    name: 'wire',
    files: ['queue/wire/'],
    not: ['option/', 'wait/', 'report/'],
    because: 'both sides of both boundaries load it, the agent on the oldest Node we serve among them',
  },
  {
    name: 'endpoints',
    files: [
      'queue/transport/*.ts',
      'queue/transport/ssh/ssh-endpoint.ts',
      'queue/transport/ssh/host-name.ts',
      'queue/transport/ssh/algorithms.ts',
      'queue/transport/ssh/prompt-answers.ts',
      'queue/transport/ssh/config.ts',
      'queue/transport/ssh/config-table.ts',
      'queue/transport/ssh/ssh-g.ts',
      'queue/agent/loader.ts',
    ],
    not: ['process/', 'report/'],
    because: 'the main thread reads them to make a drone, which must not load a transport for it',
  },
  {
    name: 'drones',
    files: ['queue/drone/'],
    not: ['process/', 'report/'],
    because: 'a drone is pure state: whatever runs it takes its calls, it starts nothing',
  },
  {
    name: 'transfer',
    files: ['queue/transfer/'],
    not: ['process/', 'wait/', 'report/', 'endpoints', 'drones'],
    because: 'controller and drone run the same code at the two ends of a transfer, and it knows neither of them',
  },
  {
    name: 'agent',
    files: ['queue/agent/'],
    not: ['report/', 'queue/transport/', 'drones'],
    because: 'it is bundled and sent to every drone, and meets the rest of the package over the wire only',
  },
  {
    name: 'plain agent',
    files: ['queue/transport/ssh/plain/'],
    not: ['report/', 'drones'],
    because: "it plays the agent's part by the agent's own rules, and of the connection knows what it is given",
  },
  {
    name: 'transports',
    files: ['queue/transport/'],
    not: ['drones', 'transfer', 'agent'],
    because: 'a transport moves bytes: it knows neither what they mean nor whose they are',
  },
  {
    name: 'contracts',
    files: ['queue/task-queue.ts', 'queue/queue-options.ts', 'queue/events.ts', 'queue/thread/runner.ts'],
    not: ['process/', 'endpoints', 'transfer', 'agent', 'plain agent', 'transports'],
    because: 'they are what rounds, runners and users agree on, whichever way a round is run',
  },
  {
    name: 'threads',
    files: ['queue/thread/'],
    not: [
      'process/process-group.ts',
      'process/process-table.ts',
      'process/run-in-group.ts',
      'drones',
      'agent',
      'queue/task-queue.ts',
      'queue/queue-options.ts',
      'queue/events.ts',
    ],
    because: 'both sides of the thread boundary have frames and nothing else: no drone, no call, no queue',
  },
  {
    name: 'rounds',
    files: ['queue/round/'],
    not: ['process/', 'endpoints', 'transfer', 'agent', 'plain agent', 'transports', 'threads'],
    because: 'the rules of a round are the same whatever runs the batches',
  },
  {
    name: 'core',
    files: ['queue/*.ts', 'index.ts'],
    not: ['agent', 'plain agent', 'transports'],
    because: 'a queue puts rounds and a runner together, and does not know how a drone is reached',
  },
  {
    name: 'store',
    files: ['store/'],
    not: ['process/', 'queue/', 'index.ts'],
    because: 'it knows nothing of drones, nor they of it: where both meet is the section guard',
  },
  {
    name: 'tenants',
    files: ['tenants/*.ts'],
    not: ['process/', 'queue/', 'index.ts', 'store'],
    because: 'whose configuration counts when does not depend on drones, nor on where it is kept',
  },
  {
    name: 'doors of tenants',
    files: ['tenants/store/', 'tenants/yaml/'],
    not: ['process/', 'queue/', 'index.ts'],
    because: 'each is one way to keep or write a configuration, and needs no package of the other',
  },
  {
    name: 'scheduler',
    files: ['scheduler/'],
    not: [...INSIDE_THE_CORE, 'endpoints', 'agent', 'store', 'tenants', 'doors of tenants'],
    because: 'it is used on top of the core, as its users use it, and knows a detached command by its script',
  },
  {
    name: 'executor',
    files: ['executor/'],
    not: [...INSIDE_THE_CORE, 'endpoints', 'agent', 'store', 'tenants', 'doors of tenants', 'scheduler'],
    because: 'it runs jobs as its users could, through the contract of a queue, whichever queue that is',
  },
  {
    name: 'both ends of a heartbeat',
    files: ['shard/records/', 'shard/wire/'],
    not: ['process/', 'queue/', 'index.ts', 'tenants', 'doors of tenants', 'scheduler', 'executor'],
    because: 'packets and records are the same on both sides, whatever is done with them',
  },
  {
    name: 'shard master',
    files: ['shard/master/'],
    not: ['process/', 'queue/', 'index.ts', 'tenants', 'doors of tenants', 'scheduler', 'executor'],
    because: 'it knows its shards by what they send, and runs nothing by itself',
  },
  {
    name: 'shard',
    files: ['shard/'],
    not: ['process/', 'queue/', 'index.ts', 'tenants', 'doors of tenants', 'executor'],
    because: 'a shard is a store, a loop and a wire; drones are for the program that runs its jobs',
  },
  {
    name: 'testing',
    files: ['testing/'],
    not: [...INSIDE_THE_CORE, 'store', 'tenants', 'doors of tenants', 'scheduler', 'executor', 'shard/'],
    because: 'doubles stand where a drone stands, at the far end, and must not reach into how a queue works',
  },
];

const PACKAGES: readonly PackageRule[] = [
  {
    name: 'kysely',
    onlyIn: ['store/', 'tenants/store/', 'shard/'],
    because: 'who has no store need not install it',
  },
  {
    name: 'pg',
    onlyIn: ['store/postgres/'],
    because: 'who has no store in PostgreSQL need not install it',
  },
  {
    name: '@photostructure/sqlite',
    onlyIn: ['store/sqlite/sqlite-thread.ts'],
    because: 'who has a Node with SQLite in it, or no store, need not install it; and it would block the main thread',
  },
  {
    name: 'typebox',
    onlyIn: ['shard/'],
    because: 'who has no shards need not install it',
  },
  {
    name: 'fastify',
    onlyIn: ['shard/'],
    because: 'who has no master need not install it',
  },
  {
    name: 'bullmq',
    onlyIn: ['executor/redis/'],
    because:
      'who has no jobs in Redis need not install it, and its ways (it runs lost jobs again) are mended in one place',
  },
  {
    name: 'ioredis',
    onlyIn: ['executor/redis/'],
    because: 'who has no jobs in Redis need not install it',
  },
  {
    name: 'yaml',
    onlyIn: ['tenants/yaml/yaml-layouts.ts', 'tenants/yaml/yaml-files.ts', 'tenants/yaml/yaml-reading.ts'],
    because: 'who has no layouts in YAML need not install it, and its messages quote what may be a secret',
  },
  {
    name: 'esbuild',
    onlyIn: ['queue/thread/utility-check.ts'],
    because: 'who has no utility modules in TypeScript need not install it, and it leaves a process behind',
  },
  {
    name: 'ssh2',
    onlyIn: ['queue/transport/ssh/', 'testing/ssh-server.ts'],
    because:
      'who has no SSH drone should not load it, and its habits (any host key, no nodelay) are mended in one place',
  },
  {
    name: 'piscina',
    onlyIn: ['queue/thread/thread-host.ts'],
    because: 'its traps (frozen idle threads, aborts that kill a thread) are avoided in one place',
  },
  {
    name: 'leven',
    onlyIn: ['option/near-name.ts'],
    because: 'names from files are compared only within the bounds that are set there',
  },
  {
    name: 'hot-shots',
    onlyIn: ['report/metrics-target.ts'],
    because: 'any client with its three methods will do elsewhere',
  },
];

const GLOSSARY: readonly WordRule[] = [
  { word: /\bhost ?pools?\b/i, say: 'a set of drones is "drones"' },
  { word: /\b(slaves?|minions?)\b/i, say: 'a host that runs calls is a "drone"' },
  { word: /\btask ?lists?\b/i, say: 'the calls of a drone in one round are its "batch"' },
  { word: /\bthread ?names?\b/i, say: 'what has a name is the "worker", the record of one drone\'s batch' },
  { word: /\bplug-?ins?\b/i, say: 'a user\'s own methods are a "utility"' },
];

const sources = readSources(new URL('src/', ROOT));
const maps = sources.filter(({ path }) => /(^|\/)index\.ts$/.test(path));

test('every source file stands in a layer and imports only those below it', () => {
  assert.deepEqual(tableBreaches(sources, LAYERS), []);
  assert.deepEqual(layerBreaches(sources, LAYERS), []);
});

test('src holds the doors of package.json and the four shared rooms', () => {
  const rooms = new Set(sources.map(({ path }) => path.split('/')[0] ?? ''));
  assert.deepEqual([...rooms].sort(), ROOMS.trim().split(/\s+/).sort());
});

test('no circle of imports exists, of types neither', () => {
  assert.deepEqual(cycleBreaches(sources), []);
});

test('each dependency is imported where it belongs and nowhere else', () => {
  assert.deepEqual(packageBreaches(sources, PACKAGES), []);
});

test('no source file is longer than can be read in one go', () => {
  assert.deepEqual(sizeBreaches(sources, MAX_LINES), []);
});

test('the maps in the source are the entry points of package.json, and nothing but maps', () => {
  const manifest = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as {
    exports: Record<string, string | { default: string }>;
  };
  const published = Object.values(manifest.exports).flatMap(target =>
    typeof target === 'string' ? [] : [target.default.replace('./dist/', '').replace(/\.js$/, '.ts')],
  );
  assert.deepEqual(published.sort(), maps.map(({ path }) => path).sort());
  assert.deepEqual(maps.flatMap(mapBreaches), []);
});

test('the declarations that users compile against name no type of a dependency', () => {
  const declarations = readSources(new URL('dist/', ROOT), '.d.ts');
  const entries = maps.map(({ path }) => path.replace(/\.ts$/, '.d.ts'));
  // Peers: users of a store write Kysely's queries, with a Kysely of their own; a master's are added to their own Fastify.
  const peers = new Map([
    ['store/index.d.ts', ['kysely']],
    ['tenants/store/index.d.ts', ['kysely']],
    ['shard/index.d.ts', ['fastify', 'kysely', 'typebox']],
  ]);
  for (const entry of entries) assert.deepEqual(packagesInTypes(declarations, [entry]).sort(), peers.get(entry) ?? []);
});

test('words in the source are those of the glossary', () => {
  assert.deepEqual(wordBreaches(sources, GLOSSARY), []);
});

const CODE = [
  ...['src/', 'test/', 'examples/', 'bench/']
    .filter(folder => existsSync(new URL(folder, ROOT)))
    .flatMap(folder => filesOf(folder)),
  ...filesOf('scripts/', '.js'),
];

/** With paths from the root of the project. */
function filesOf(folder: string, ending?: string): SourceFile[] {
  return readSources(new URL(folder, ROOT), ending).map(({ path, text }) => ({ path: folder + path, text }));
}

test('every lint exception carries its reason', () => {
  assert.deepEqual(exceptionBreaches(CODE), []);
});

test('comments, messages and names of tests call things by their names', () => {
  const listed = ['test/banned-words.ts', 'test/banned-words.test.ts'];
  const files = CODE.filter(({ path }) => !listed.includes(path));
  assert.deepEqual(wordBreaches(files, WORDS), []);
});
