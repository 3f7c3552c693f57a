/** What may know what. The tables say why; ARCHITECTURE.md draws it. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';
import {
  cycleBreaches,
  exceptionBreaches,
  exportedNames,
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
  type WordRule,
} from './source-rules.js';

const ROOT = new URL('../', import.meta.url);
const MAX_LINES = 400;

/** From what knows nothing to what knows all; each may import only layers that stand before it. */
const LAYERS: readonly Layer[] = [
  {
    name: 'ground',
    files: [
      'option/invalid-argument.ts',
      'wait/clock.ts',
      'report/cached-lookup.ts',
      'queue/transport/fingerprint.ts',
      'option/option-reader.ts',
      'option/optional-package.ts',
      'queue/wire/utility-id.ts',
      'wait/window.ts',
      'report/untrusted-text.ts',
      'queue/round/open-files.ts',
      'queue/transport/missing-node.ts',
      'wait/pending-work.ts',
      'wait/section-guard.ts',
      'wait/keyed-lock.ts',
      'wait/turns.ts',
      'wait/side-by-side.ts',
    ],
    mayImport: [],
    because: 'every side stands on it, so it can know none of them',
  },
  {
    name: 'language',
    files: [
      'queue/wire/frames.ts',
      'queue/wire/messages.ts',
      'queue/wire/credits.ts',
      'queue/wire/codec/codec.ts',
      'queue/wire/codec/',
      'queue/thread/outbox.ts',
    ],
    mayImport: [],
    because: 'both sides of both boundaries load it, the agent on the oldest Node we serve among them',
  },
  {
    name: 'methods',
    files: ['queue/wire/methods.ts'],
    mayImport: [],
    because: 'what drones can do is a promise to the caller, whoever keeps it',
  },
  {
    name: 'reports',
    files: ['report/log.ts', 'report/stats.ts', 'report/events.ts'],
    mayImport: ['ground'],
    because: 'a report is of plain facts; whoever reports knows what they mean',
  },
  {
    name: 'transfer',
    files: ['queue/transfer/'],
    mayImport: ['ground', 'language'],
    because: 'controller and drone run the same code at the two ends of a transfer, and it knows neither of them',
  },
  {
    name: 'loader',
    files: ['queue/agent/loader.ts'],
    mayImport: [],
    because: 'it travels to the drone as text and has only itself there',
  },
  {
    name: 'ending',
    files: ['process/end-script.ts'],
    mayImport: [],
    because:
      'processes are ended by one script, on this machine and on others, and who starts some must know its rules',
  },
  {
    name: 'processes',
    files: ['process/process-group.ts', 'process/process-table.ts', 'process/run-in-group.ts'],
    mayImport: ['methods'],
    because: 'process groups are found and ended alike on a drone and where git runs, whatever they do',
  },
  {
    name: 'agent',
    files: ['queue/agent/'],
    mayImport: ['ground', 'language', 'methods', 'transfer', 'loader', 'ending', 'processes'],
    because: 'it is bundled and sent to every drone, and meets the rest of the package over the wire only',
  },
  {
    name: 'transport',
    files: ['queue/transport/transport.ts'],
    mayImport: ['language'],
    because: 'it is the contract that transports of others are written against as well',
  },
  {
    name: 'ssh options',
    files: [
      'queue/transport/ssh/ssh-endpoint.ts',
      'queue/transport/ssh/algorithms.ts',
      'queue/transport/ssh/prompt-answers.ts',
    ],
    mayImport: ['ground', 'language'],
    because: 'the main thread reads them to make a drone, which must not load ssh2 for it',
  },
  {
    name: 'plain agent',
    files: ['queue/transport/ssh/plain/'],
    mayImport: ['ground', 'language', 'methods', 'loader', 'ending', 'agent', 'transport'],
    because: "it plays the agent's part by the agent's own rules, and of the connection knows what it is given",
  },
  {
    name: 'ssh config',
    files: ['queue/transport/ssh/config.ts', 'queue/transport/ssh/ssh-g.ts'],
    mayImport: ['ground', 'ssh options'],
    because:
      'it runs the system’s ssh for who asks for it, and makes options of what that prints; nothing connects yet',
  },
  {
    name: 'transports',
    files: ['queue/transport/local/local-transport.ts', 'queue/transport/local/', 'queue/transport/ssh/'],
    mayImport: ['ground', 'language', 'transport', 'ssh options', 'plain agent'],
    because: 'a transport moves bytes: what they mean, and whose they are, is not its matter',
  },
  {
    name: 'drones',
    files: ['queue/drone/', 'queue/drone/drone-error.ts'],
    mayImport: ['ground', 'language', 'methods', 'ssh options', 'ssh config'],
    because: 'a drone is pure state: whoever runs it takes its calls, it starts nothing',
  },
  {
    name: 'thread side',
    files: [
      'queue/thread/entry.ts',
      'queue/thread/agent-kill.ts',
      'queue/thread/agent-session.ts',
      'queue/thread/agent-start.ts',
      'queue/thread/agent-stream.ts',
      'queue/thread/batch-run.ts',
      'queue/thread/connect-clock.ts',
      'queue/thread/dispatcher.ts',
      'queue/thread/link-probes.ts',
      'queue/thread/link-warnings.ts',
      'queue/thread/link.ts',
      'queue/thread/liveness.ts',
      'queue/thread/questions.ts',
      'queue/thread/batch-transfers.ts',
      'queue/thread/warm-links.ts',
    ],
    mayImport: ['ground', 'language', 'transfer', 'loader', 'ending', 'transport', 'transports'],
    because: 'it runs on a worker thread, where frames are all there is: no drone, no call, no queue',
  },
  {
    name: 'runner',
    files: ['queue/thread/runner.ts'],
    mayImport: ['language'],
    because: 'it is the contract between a round and whatever runs its batches',
  },
  {
    name: 'rounds',
    files: ['queue/task-queue.ts', 'queue/round/'],
    mayImport: ['ground', 'language', 'methods', 'reports', 'drones', 'runner'],
    because: 'the rules of a round are the same whoever runs the batches',
  },
  {
    name: 'threads',
    files: ['queue/thread/thread-pool.ts', 'queue/thread/thread-host.ts', 'queue/thread/crash-limit.ts'],
    mayImport: ['ground', 'language', 'runner'],
    because: 'what they start is across a boundary: frames go there, imports do not',
  },
  {
    name: 'inline runner',
    files: ['queue/thread/inline-runner.ts'],
    mayImport: ['ground', 'language', 'runner', 'thread side'],
    because: 'it carries frames, as threads do, whatever is in them',
  },
  {
    name: 'queues',
    files: [
      'queue/queue-base.ts',
      'queue/thread/thread-settings.ts',
      'queue/drone-task-queue.ts',
      'queue/threaded-task-queue.ts',
    ],
    mayImport: ['ground', 'language', 'methods', 'reports', 'drones', 'rounds', 'threads', 'inline runner'],
    because: 'a queue puts rounds and a runner together; how a drone is reached is none of its business',
  },
  {
    name: 'copies',
    files: ['queue/copy-between-drones.ts'],
    mayImport: ['ground', 'methods', 'transfer', 'drones', 'rounds'],
    because: 'it is made of calls, as its users could make them, and of the contract of a queue',
  },
  {
    name: 'core',
    files: ['index.ts'],
    mayImport: ['language', 'methods', 'reports', 'ssh options', 'drones', 'rounds', 'queues', 'copies'],
    because: 'what is reachable from the core is loaded by everybody who imports it',
  },
  {
    name: 'scheduler',
    files: ['scheduler/'],
    mayImport: ['ground', 'methods', 'reports', 'ending', 'drones', 'rounds', 'copies', 'core'],
    because:
      'it is used on top of the core, as its users use it, and never by it; it knows a detached command by its script',
  },
  {
    name: 'store',
    files: ['store/'],
    mayImport: ['ground', 'reports'],
    because: 'it knows nothing of drones, nor they of it: where both meet is the section guard',
  },
  {
    name: 'executor',
    files: ['executor/'],
    mayImport: ['ground', 'methods', 'reports', 'processes', 'drones', 'rounds'],
    because: 'it runs jobs as its users could, through the contract of a queue, whichever queue that is',
  },
  {
    name: 'tenants',
    files: ['tenants/*.ts'],
    mayImport: ['ground', 'reports'],
    because: 'whose configuration counts when is a matter of its own, whatever runs by it: it knows of no drone',
  },
  {
    name: 'shard records',
    files: ['shard/records/'],
    mayImport: ['ground', 'store'],
    because: 'a record is a row as plain JSON, on both sides the same, whatever carries it',
  },
  {
    name: 'shard wire',
    files: ['shard/wire/'],
    mayImport: ['ground', 'reports'],
    because:
      'it carries packets and replies and checks their shape at both ends; what is done with them is not its matter',
  },
  {
    name: 'shard client',
    files: ['shard/client/'],
    mayImport: ['ground', 'reports', 'store', 'scheduler', 'shard records', 'shard wire'],
    because: 'a shard is a store, a loop and a wire; drones are for whoever runs its jobs',
  },
  {
    name: 'shard master',
    files: ['shard/master/'],
    mayImport: ['ground', 'reports', 'store', 'shard records', 'shard wire'],
    because: 'it knows its shards by what they send, and runs nothing by itself',
  },
  {
    name: 'shards',
    files: ['shard/*.ts', 'shard/cli/'],
    mayImport: ['ground', 'reports', 'store', 'shard records', 'shard wire', 'shard client', 'shard master'],
    because: 'the command puts together what its users could, by the same doors',
  },
  {
    name: 'tenants in a store',
    files: ['tenants/store/'],
    mayImport: ['ground', 'store', 'tenants'],
    because:
      'it keeps in a store what tenants share, and is a door of its own: who has no store installs nothing for it',
  },
  {
    name: 'tenants in YAML',
    files: ['tenants/yaml/'],
    mayImport: ['ground', 'tenants'],
    because: 'it is one way to make layouts, and a door of its own: who has another one installs nothing for it',
  },
  {
    name: 'testing',
    files: ['testing/'],
    mayImport: ['ground', 'language', 'methods', 'agent', 'transport', 'ssh options', 'drones', 'core'],
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
    name: 'hot-shots',
    onlyIn: ['report/stats.ts'],
    because: 'any client with its three methods will do elsewhere',
  },
];

/** Exactly what each entry point exports, types included. A name that is added here is promised for long. */
const ENTRY_POINTS: Readonly<Record<string, string>> = {
  'index.ts': `
    AnyDrone Drone LocalDrone LocalDroneOptions SshDrone SshDroneOptions FromSshConfigOptions SshOptions HostKeys
    AlgorithmOptions AnswerOptions KeyboardChallenge AgentUse getDrone compareLoad
    Call CallOptions CallQueuer OutputChunk
    UtilityMethods MethodName Args Result
    RunOptions RunResult ExecuteCommandOptions ProcessId ProcessInfo RefreshResult
    TransferOptions FileTransferOptions FileTransferResult FileTransferFailure
    copyBetweenDrones CopyBetweenDronesOptions DronePath
    TaskQueue TaskQueueOptions RoundOptions RoundOutcome CloseOptions CloseReport Abandoned
    RoundsTaskQueue DroneTaskQueue ThreadedTaskQueue ThreadedTaskQueueOptions DroneWorker Phase KickOutOptions KickedOut
    DroneResults DroneError DroneErrorFacts DroneErrorKind DroneTaskQueueException DroneTaskQueueExceptionCode
    Log StatsClient StatsServer StatsTarget
    RetryOptions StopOn
    events EventName EventMessages RoundStart RoundEnd WorkerStart WorkerFinish WorkerException WorkerSlow DroneRetry
    DroneWarning DroneKickedOut DroneReadmitted FileProgress LinkOpen LinkClose ThreadLost TickStart TickEnd
    DroneInitialized DroneStale DroneFresh CommandNotStarted SectionEnd SectionRetry SectionSlow LayoutEnd JobEnd UpdateEnd
    HeartbeatEnd`,
  'scheduler/index.ts': `
    TickLoop TickLoopOptions TickLoopError Tick TickContext
    DroneManager DroneManagerOptions DroneManagerError DroneManagerErrorCode ManagedDrone StaleDrone DroneChoice
    ManagerRoundOptions RefreshReport ActionReport ActionFailure ExecutionReport FailedCopy PendingCopy
    ManagedCommandOptions
    WORKING_DIRECTORY PidfileId PidfileOptions PidfileState PidfileContents PidfileWriter DroneProcess OrphanedProcess
    DroneInitialized DroneStale DroneFresh CommandNotStarted
    Clock Timer Log StatsClient StatsServer StatsTarget events TickStart TickEnd`,
  'store/index.ts': `
    Store StoreOptions ReadOptions ReadWriteOptions ReadCreator ReadDb ReadWriteDb TableName MigrationReport
    StoreError StoreErrorCode ReadOnlyViolation ContextSwitchError ContextSwitchErrorCode
    Log StatsClient StatsServer StatsTarget events SectionEnd SectionRetry SectionSlow`,
  'executor/index.ts': `
    RepoExecutor RepoExecutorOptions ExecuteJob ExecuteReport CommandReport CommandFailure JobProject ClonedProject
    CatJob CatReply MergeJob MergeReply ReleaseJob
    Job JobAnswer JobDone JobFailed JobFailure JobLane JobSource MemoryJobSource RedisJobSource RedisJobSourceOptions
    Merger MergeItem MergeMode MergeAnswer Merged MergedBranch NotMerged FileTexts
    RepoCache RepoCacheOptions RepoState RefCommits RepoName
    GitOptions GitError GitErrorCode ExecutorError ExecutorErrorCode
    DeduplicateQueue ItemLocks Clock Log StatsClient StatsServer StatsTarget events JobEnd UpdateEnd`,
  'tenants/index.ts': `
    ConfigLoader ConfigLoaderOptions ConfigFile MakeLayout ChangedBranch ReconfigureOptions
    LayoutOutcome LayoutProblem LayoutReport LayoutError LayoutFault
    TenantRegistry TenantSnapshot Tenant TenantLayout LayoutState BranchLtimes ProjectUse
    TenantConfig TenantProject SystemConfig SystemSource CheckedTenant CheckedProject
    TenantLocks TenantLocksOptions ProcessLocks LockOrderError
    BranchCache BranchLoad BranchFile PathState DEFAULT_ROOTS
    FileSource CatFileSource CatFileSourceOptions CatRequest CatAnswer CatError CatErrorCode SharedFileCache BranchName MemoryFileCache LogicalClock MemoryLogicalClock
    events LayoutEnd Log`,
  'shard/index.ts': `
    HEARTBEAT_VERSION HeartbeatPacket HeartbeatPacketSchema HeartbeatReply HeartbeatReplySchema Refused RefusedSchema
    HeartbeatError HeartbeatErrorCode HeartbeatExchange MasterLink
    farmMigrations AclGroupRow FarmTables Flag HostAttributeRow HostRow JobKeyvalRow JobRow LabelRow Moment QueueEntryRow
    ShardRow ShardTokenRow UserRow
    ShardMaster ShardMasterOptions MasterError MasterErrorCode HostQuery NewHost JobQuery NewEntry NewJob
    ListedShard ListedToken
    completeEntry EntryOutcome RecordError RecordKind ShardClient ShardClientError ShardClientOptions TakenOver
    HttpMasterLink HttpMasterLinkOptions MasterTlsOptions HeartbeatMaster ShardRoutesOptions shardRoutes`,
  'tenants/store/index.ts': `
    StoreLogicalClock StoreFileCache StoreSystemSource tenantTables TenantTables`,
  'tenants/yaml/index.ts': `
    yamlLayouts YamlLayoutsOptions YamlLayoutsError Layout LayoutJob LayoutPipeline LayoutPlace`,
  'testing/index.ts': `
    FakeDrone FakeCall FakeFault startSshServer SshServer SshServerOptions ExecRequest Gate FakeClock`,
};

const GLOSSARY: readonly WordRule[] = [
  { word: /\bhost ?pools?\b/i, say: 'a set of drones is "drones"' },
  { word: /\b(slaves?|minions?)\b/i, say: 'a host that runs calls is a "drone"' },
  { word: /\btask ?lists?\b/i, say: 'the calls of a drone in one round are its "batch"' },
  { word: /\bthread ?names?\b/i, say: 'what has a name is the "worker", the record of one drone\'s batch' },
  { word: /\bplug-?ins?\b/i, say: 'a user\'s own methods are a "utility"' },
];

const sources = readSources(new URL('src/', ROOT));

test('every source file stands in a layer and imports only those it may', () => {
  assert.deepEqual(tableBreaches(LAYERS), []);
  assert.deepEqual(layerBreaches(sources, LAYERS), []);
});

test('no import cycle exists at run time', () => {
  assert.deepEqual(cycleBreaches(sources), []);
});

test('each dependency is imported where it belongs and nowhere else', () => {
  assert.deepEqual(packageBreaches(sources, PACKAGES), []);
});

test('no source file is longer than can be read in one go', () => {
  assert.deepEqual(sizeBreaches(sources, MAX_LINES), []);
});

test('the entry points in the table are those in the source and those in package.json', () => {
  const manifest = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as {
    exports: Record<string, string | { default: string }>;
  };
  const published = Object.values(manifest.exports).flatMap(target =>
    typeof target === 'string' ? [] : [target.default.replace('./dist/', '').replace(/\.js$/, '.ts')],
  );
  const maps = sources.map(({ path }) => path).filter(path => /(^|\/)index\.ts$/.test(path));
  assert.deepEqual(maps.sort(), Object.keys(ENTRY_POINTS).sort());
  assert.deepEqual(published.sort(), Object.keys(ENTRY_POINTS).sort());
});

for (const [path, names] of Object.entries(ENTRY_POINTS)) {
  test(`${path} is a map and exports exactly the listed names`, () => {
    const file = sources.find(source => source.path === path);
    assert(file, `src/${path} is missing`);
    assert.deepEqual(mapBreaches(file), []);
    assert.deepEqual(exportedNames(file), names.trim().split(/\s+/).sort());
  });
}

test('the declarations that users compile against name no type of a dependency', () => {
  const declarations = readSources(new URL('dist/', ROOT), '.d.ts');
  const entries = Object.keys(ENTRY_POINTS).map(path => path.replace(/\.ts$/, '.d.ts'));
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

test('every lint exception carries its reason', () => {
  const folders = ['src/', 'test/', 'examples/', 'demo/', 'bench/'].map(folder => new URL(folder, ROOT));
  const files = folders.filter(folder => existsSync(folder)).flatMap(folder => readSources(folder));
  assert.deepEqual(exceptionBreaches([...files, ...readSources(new URL('scripts/', ROOT), '.js')]), []);
});
