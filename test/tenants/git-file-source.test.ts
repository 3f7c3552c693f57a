/** Layouts from real git repositories, read by jobs of a RepoExecutor; and answers that are of no use. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { DroneTaskQueue, LocalDrone } from 'drone-task-queue';
import { MemoryJobSource, RepoExecutor } from 'drone-task-queue/executor';
import {
  GitFileSource,
  ConfigLoader,
  MemoryLogicalClock,
  TenantLocks,
  TenantRegistry,
  type CatAnswer,
  type CatRequest,
  type TenantProject,
} from 'drone-task-queue/tenants';
import { Gate } from 'drone-task-queue/testing';
import { git, Workshop } from '../executor/repositories.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

interface Setup extends AsyncDisposable {
  readonly workshop: Workshop;
  readonly registry: TenantRegistry<string>;
  readonly loader: ConfigLoader<string>;
  /** `project branch`, for each that was asked for. */
  readonly asked: string[];
  /** Answers wait there when it is set. */
  hold: Gate | undefined;
}

/** A layout is all files, as `project path text`. */
function setup(tenants: Readonly<Record<string, readonly TenantProject[]>>): Setup {
  const workshop = new Workshop();
  const jobs = new MemoryJobSource();
  const executor = new RepoExecutor({
    cache: workshop.cache(),
    jobs,
    workspaces: join(workshop.folder, 'workspaces'),
    droneFor: () => new LocalDrone(),
    queueFor: () => new DroneTaskQueue(),
  });
  const registry = new TenantRegistry<string>();
  const ask = async (request: CatRequest): Promise<CatAnswer> => {
    all.asked.push(`${request.project} ${request.branch}`);
    const answer = await jobs.submit('merger:cat', request);
    await all.hold?.wait();
    return answer;
  };
  const list = Object.entries(tenants).map(([name, projects]) => ({ name, projects }));
  const all: Setup = {
    workshop,
    registry,
    loader: new ConfigLoader<string>({
      registry,
      locks: new TenantLocks(),
      clock: new MemoryLogicalClock(),
      system: { ltime: async () => 1, read: async () => ({ ltime: 1, tenants: list }) },
      files: new GitFileSource({ ask, repositoryOf: project => ({ connection: 'git', project }) }),
      makeLayout: files => files.map(({ project, path, text }) => `${project} ${path} ${text}`).join(''),
    }),
    asked: [],
    hold: undefined,
    [Symbol.asyncDispose]: async () => {
      await executor.close();
      jobs.close();
      workshop.remove();
    },
  };
  return all;
}

test('a layout is made of what is in the branches of real repositories, folders and deleted files too', async () => {
  await using all = setup({ a: [{ project: 'web', extraPaths: ['ci/', 'own.yaml'] }, { project: 'org/api' }] });
  const { workshop, loader, registry } = all;
  const web = workshop.remote('web');
  const api = workshop.remote('org/api');
  web.commit({ 'drones.d/b': 'b\n', 'drones.d/a/x': 'x\n', 'ci/1': 'one\n', 'ci-old/1': 'old\n', 'drones.dx': 'no\n' });
  api.commit({ 'drones.yaml': 'api\n' });
  const layout = (): string[] => (registry.tenant('a')?.layout?.layout ?? '').split('\n');
  assert.deepEqual((await loader.reconfigureAll()).problems, []);
  const fromApi = 'org/api drones.yaml api';
  assert.deepEqual(layout(), ['web drones.d/a/x x', 'web drones.d/b b', 'web ci/1 one', fromApi, '']);

  web.commit({ 'drones.d': null, 'drones.yaml': 'file\n', 'own.yaml': 'own\n' });
  api.commit({ 'drones.yaml': 'not asked for\n' });
  await loader.reconfigureTenant('a', [{ project: 'web', branch: 'main' }]);
  assert.deepEqual(layout(), ['web drones.yaml file', 'web own.yaml own', 'web ci/1 one', fromApi, '']);
  assert.deepEqual(all.asked.sort(), ['org/api main', 'web main', 'web main']);
});

test("one cat that fails is reported in git's words, and takes nothing from the others", async () => {
  await using all = setup({
    a: [{ project: 'web' }, { project: 'api' }, { project: 'lib', branches: ['main', 'none'] }],
    b: [{ project: 'web' }],
  });
  const { workshop, loader, registry } = all;
  for (const project of ['web', 'api', 'lib']) workshop.remote(project).commit({ 'drones.yaml': `${project}\n` });
  const remote = join(workshop.folder, 'remotes', 'api');
  renameSync(remote, `${remote}-away`);
  const { outcomes, problems } = await loader.reconfigureAll();
  assert.deepEqual([...outcomes.values()], ['failed', 'loaded']);
  assert.deepEqual(
    problems.map(({ tenant, project, branch }) => [tenant, project, branch]),
    [
      ['a', 'api', 'main'],
      ['a', 'lib', 'none'],
    ],
  );
  assert.match(problems[0]?.reason ?? '', /could not be read: .*git .* failed/s);
  assert.match(problems[1]?.reason ?? '', /has no branch none/);
  assert.equal((problems[0]?.cause as { code?: unknown }).code, 'ERR_CAT_FAILED');

  renameSync(`${remote}-away`, remote);
  git(join(workshop.folder, 'remotes', 'lib'), 'branch', 'none');
  all.asked.length = 0;
  await loader.reconfigureTenant('a', []);
  assert.deepEqual(all.asked.sort(), ['api main', 'lib none'], 'what was read is not read again');
  assert.equal(registry.tenant('b')?.layout?.layout, 'web drones.yaml web\n');
});

test('a commit that comes after the request counts as newer than the answer, however late that is', async () => {
  await using all = setup({ a: [{ project: 'web' }], b: [{ project: 'web' }] });
  const { workshop, loader, registry } = all;
  const web = workshop.remote('web');
  web.commit({ 'drones.yaml': 'old\n' });
  const gate = new Gate();
  all.hold = gate;
  const slow = loader.reconfigureTenant('a', [{ project: 'web' }]);
  await gate.arrived();
  all.hold = undefined;
  web.commit({ 'drones.yaml': 'new\n' });
  await loader.reconfigureTenant('b', [{ project: 'web' }]);
  const files = registry.branchCache('web', 'main');
  const newest = files?.validFor([], 0);
  gate.open();
  await slow;
  assert.deepEqual(files?.stateOf('drones.yaml'), { state: 'present', ltime: newest, text: 'new\n' });
  const layouts = ['a', 'b'].map(name => registry.tenant(name)?.layout?.layout);
  assert.deepEqual(layouts, ['web drones.yaml new\n', 'web drones.yaml new\n']);
});

const MAIN = { project: 'web', branch: 'main' };
const repositoryOf = (project: string): { connection: string; project: string } => ({ connection: 'git', project });
const never = new AbortController().signal;

test('an executor that does not answer is waited for so long and no longer, and is reported', async () => {
  let given: AbortSignal | undefined;
  const ask = async (_: CatRequest, signal: AbortSignal): Promise<CatAnswer> => {
    given = signal;
    return new Promise(() => undefined);
  };
  const files = new GitFileSource({ ask, repositoryOf, timeoutMs: 1 });
  await assert.rejects(files.files(MAIN, ['drones.yaml'], never), { name: 'ReadFilesError', code: 'ERR_CAT_TIMEOUT' });
  assert.equal(given?.aborted, true);
});

test('who waits no more for a branch does not wait for its answer', async () => {
  const stop = new AbortController();
  let given: AbortSignal | undefined;
  const ask = async (_: CatRequest, signal: AbortSignal): Promise<CatAnswer> => {
    given = signal;
    await once(signal, 'abort');
    throw new Error('too late to matter');
  };
  const files = new GitFileSource({ ask, repositoryOf });
  const reading = files.files(MAIN, ['drones.yaml'], stop.signal);
  stop.abort(new Error('shutting down'));
  await assert.rejects(reading, /shutting down/);
  assert.equal(given?.aborted, true);
  given = undefined;
  await assert.rejects(files.files(MAIN, ['drones.yaml'], stop.signal), /shutting down/);
  assert.equal(given, undefined, 'and nothing is asked');
});

const USELESS: readonly (readonly [answer: unknown, code: string, message: RegExp])[] = [
  [{ ok: false, error: { message: 'no such repository' } }, 'ERR_CAT_FAILED', /no such repository/],
  [undefined, 'ERR_CAT_ANSWER', /the answer to merger:cat is not valid/],
  [{ ok: true, value: null }, 'ERR_CAT_ANSWER', /the answer to merger:cat is not valid/],
  [{ ok: true, value: { files: null } }, 'ERR_CAT_ANSWER', /the answer to merger:cat is not valid/],
  [{ ok: true, value: { files: { a: 1 } } }, 'ERR_CAT_ANSWER', /the answer to merger:cat is not valid/],
  [{ ok: false, error: null }, 'ERR_CAT_ANSWER', /the answer to merger:cat is not valid/],
];

test('an answer that says that nothing was read, or makes no sense, is an error and no empty branch', async () => {
  for (const [answer, code, message] of USELESS) {
    const files = new GitFileSource({ ask: async () => answer as CatAnswer, repositoryOf });
    await assert.rejects(files.files(MAIN, ['drones.yaml'], never), { name: 'ReadFilesError', code, message });
  }
});

test('a request that cannot be made is the error of who could not', async () => {
  const ask = (): never => {
    throw new Error('no connection');
  };
  await assert.rejects(new GitFileSource({ ask, repositoryOf }).files(MAIN, ['a'], never), /no connection/);
});

test('what a file source cannot ask with is refused by name', () => {
  const ask = async (): Promise<CatAnswer> => ({ ok: true, value: null });
  const bad: readonly (readonly [options: object, message: RegExp])[] = [
    [{ repositoryOf }, /ask is undefined, expected a function/],
    [{ ask, repositoryOf: 'git' }, /repositoryOf is 'git'/],
    [{ ask, repositoryOf, timeoutMs: 0 }, /timeoutMs is 0/],
    [{ ask, repositoryOf, timeout: 1 }, /unknown option 'timeout'/],
  ];
  for (const [options, message] of bad) {
    assert.throws(() => new GitFileSource(options as never), { code: 'ERR_INVALID_ARG', message });
  }
});
