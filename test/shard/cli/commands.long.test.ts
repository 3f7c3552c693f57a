/** The commands of `drone-shard` that add to a store and list what is in it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { type FarmTables, ShardMaster } from 'drone-task-queue/shard';
import { Store } from 'drone-task-queue/store';
import { done, runProgram } from '../program.js';

let folder = '';
let files = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-shard-'));
});
after(async () => {
  await rm(folder, { recursive: true });
});

function newPath(): string {
  return join(folder, `${String(++files)}.db`);
}

test('commands add, list and abort hosts and jobs', { timeout: 120_000 }, async () => {
  const env = { DRONE_SHARD_STORE_FILE: newPath() };
  await done(['migrate'], env);
  await done(['add-host', 'dev-1', '--label', 'rack-1', '--attribute', 'board=x=y'], env);
  const taken = await runProgram(['add-host', 'dev-1', '--label', 'rack-2'], env);
  assert.match(taken.stderr, /a host 'dev-1' already exists/);
  assert.equal(taken.status, 1);
  const job = ['add-job', 'smoke', '--command', 'run smoke', '--owner', 'ann', '--priority=-3'];
  const options = ['--host', 'dev-1', '--meta-host', 'rack-1', '--label', 'rack-1', '--keyval', 'build=7'];
  assert.equal(await done([...job, ...options], env), '1\n');
  assert.equal(await done(['add-job', 'part', '--command', 'x', '--owner', 'bob', '--parent', '1'], env), '2\n');

  {
    await using store = await Store.open<FarmTables>({ file: env.DRONE_SHARD_STORE_FILE });
    const farm = new ShardMaster(store);
    assert.deepEqual(await farm.listJobKeyvals(1), [{ id: 1, job_id: 1, key: 'build', value: '7' }]);
    assert.deepEqual(
      (await farm.listLabels()).map(({ name }) => name),
      ['rack-1'],
      'a refused host leaves no labels',
    );
  }
  const shown = async (...args: string[]): Promise<string[][]> =>
    (await done(args, env))
      .trimEnd()
      .split('\n')
      .slice(1)
      .map(line => line.split(/ {2,}/));
  assert.deepEqual(await shown('list-hosts'), [['dev-1', 'Ready', '-', 'rack-1', '-']]);
  assert.deepEqual(await shown('list-hosts', '--unassigned', '--label', 'rack-1'), [
    ['dev-1', 'Ready', '-', 'rack-1', '-'],
  ]);
  assert.deepEqual(
    (await shown('list-jobs')).map(cells => cells.slice(0, 6)),
    [
      ['1', 'smoke', 'ann', '-3', '-', '0 of 2'],
      ['2', 'part', 'bob', '0', '-', '0 of 1'],
    ],
  );
  assert.deepEqual(await shown('list-entries', '1'), [
    ['1', 'dev-1', '-', 'Queued', 'waiting', '-', '-'],
    ['2', '-', 'rack-1', 'Queued', 'waiting', '-', '-'],
  ]);
  await done(['abort-job', '2'], env);
  assert.deepEqual((await shown('list-entries', '2'))[0]?.slice(3, 5), ['Aborted', 'complete']);
  const open = (await done(['list-jobs', '--open', '--json'], env)).trimEnd().split('\n');
  assert.deepEqual(
    open.map(line => (JSON.parse(line) as { name: string }).name),
    ['smoke'],
  );
  assert.deepEqual(await shown('list-shards'), []);
});

const WRONG_COMMANDS: readonly (readonly [args: string[], message: RegExp])[] = [
  [['add-job', 'a'], /add-job needs --command/],
  [['add-job', 'a', '--command', 'x', '--priority', 'high'], /--priority is 'high', not an integer/],
  [['add-job', 'a', '--command', 'x', '--keyval', 'build'], /--keyval is 'build', not <name>=<value>/],
  [['add-host', 'a', '--attribute', '=x'], /--attribute is '=x'/],
  [['abort-job', 'first'], /'first' is not the number of a job/],
  [['list-entries', '9'], /the store has no job 9/],
  [['list-jobs', '--shard', 'a', '--unassigned'], /exclude each other/],
  [['list-hosts', '--label', 'a', '--label', 'b'], /one --label/],
];

test('what a command cannot understand changes nothing and exits with 2', { timeout: 120_000 }, async () => {
  const env = { DRONE_SHARD_STORE_FILE: newPath() };
  await done(['migrate'], env);
  for (const [args, message] of WRONG_COMMANDS) {
    const { status, stdout, stderr } = await runProgram(args, env);
    assert.match(stderr, message);
    assert.deepEqual([status, stdout], [2, '']);
  }
  assert.deepEqual(await done(['list-jobs', '--json'], env), '');
});
