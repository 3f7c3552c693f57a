/** Who gets which tenant's lock, in which order, and what happens to those who do it the wrong way. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { TenantLocks, type Log, type ProcessLocks } from 'drone-task-queue/tenants';
import { Gate } from 'drone-task-queue/testing';
import { Interleaving } from './interleaving.js';

const ORDER = { name: 'LockOrderError', code: 'ERR_LOCK_ORDER' };

/** Lets every promise that can be settled settle. */
async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

/** Keeps the errors that it is given. */
function errorLog(): Log & { readonly errors: string[] } {
  const errors: string[] = [];
  return { errors, debug() {}, info() {}, warn() {}, error: message => errors.push(message) };
}

test('a tenant under its lock keeps no other tenant waiting, nor the system', async () => {
  const locks = new TenantLocks();
  const gate = new Gate();
  const slow = locks.withTenant('a', () => gate.wait());
  assert.equal(await locks.withTenant('b', () => 'b'), 'b');
  assert.equal(await locks.withSystem(() => 'system'), 'system');
  assert.deepEqual([locks.isFree('a'), locks.isFree('b'), locks.size], [false, true, 1]);
  gate.open();
  await slow;
  assert.equal(locks.size, 0);
});

test('those who wait for one tenant get its lock in their order', async () => {
  const locks = new TenantLocks();
  const gate = new Gate();
  const order: number[] = [];
  const all = [0, 1, 2].map(async at =>
    locks.withTenant('a', async () => {
      await gate.wait();
      order.push(at);
    }),
  );
  await settle();
  assert.deepEqual(order, []);
  gate.open();
  await Promise.all(all);
  assert.deepEqual(order, [0, 1, 2]);
});

test('trying only does not wait, and does not get past those who do', async () => {
  const locks = new TenantLocks();
  const gate = new Gate();
  const slow = locks.withTenant('a', () => gate.wait());
  await gate.arrived();
  assert.equal(await locks.tryWithTenant('a', () => assert.fail('it is busy')), false);
  assert.equal(await locks.tryWithTenant('b', () => 'done'), true);
  gate.open();
  await slow;
  await assert.rejects(
    locks.tryWithTenant('a', () => {
      throw new Error('broken');
    }),
    /broken/,
  );
  assert.equal(locks.size, 0);
});

test('who gives up waiting for a tenant does no work', async () => {
  const locks = new TenantLocks();
  const gate = new Gate();
  const slow = locks.withTenant('a', () => gate.wait());
  const stop = new AbortController();
  const waiting = locks.withTenant('a', () => assert.fail('given up'), stop.signal);
  await settle();
  stop.abort(new Error('given up'));
  await assert.rejects(waiting, /given up/);
  gate.open();
  await slow;
  assert.equal(locks.size, 0);
});

test("the system's lock may be followed by one tenant's", async () => {
  const locks = new TenantLocks();
  assert.equal(await locks.withSystem(async () => locks.withTenant('a', () => 'both')), 'both');
  assert.equal(await locks.withSystem(async () => locks.tryWithTenant('a', () => undefined)), true);
  assert.equal(locks.size, 0);
});

const none = (): void => undefined;
const WRONG: readonly (readonly [name: string, breach: (locks: TenantLocks) => Promise<unknown>])[] = [
  ["the system's after a tenant's", async locks => locks.withTenant('a', async () => locks.withSystem(none))],
  ["a tenant's after another tenant's", async locks => locks.withTenant('a', async () => locks.withTenant('b', none))],
  ["a tenant's twice", async locks => locks.withTenant('a', async () => locks.withTenant('a', none))],
  ["the system's twice", async locks => locks.withSystem(async () => locks.withSystem(none))],
  ['a try after another tenant', async locks => locks.withTenant('a', async () => locks.tryWithTenant('b', none))],
  [
    "the system's after both",
    async locks => locks.withSystem(async () => locks.withTenant('a', async () => locks.withSystem(none))),
  ],
];

for (const [name, breach] of WRONG) {
  test(`locks in the wrong order are refused rather than waited for: ${name}`, async () => {
    const locks = new TenantLocks();
    await assert.rejects(breach(locks), ORDER);
    assert.equal(locks.size, 0);
  });
}

test('what was begun under a lock and outlives it has the lock no more', async () => {
  const locks = new TenantLocks();
  const gate = new Gate();
  let later: Promise<string> | undefined;
  await locks.withTenant('a', () => {
    later = gate.wait().then(async () => locks.withSystem(() => 'free'));
  });
  gate.open();
  assert.equal(await later, 'free');
});

test('what one TenantLocks has given out does not concern another one', async () => {
  const [one, other] = [new TenantLocks(), new TenantLocks()];
  const both = one.withTenant('a', async () =>
    other.withSystem(async () => {
      await assert.rejects(one.withTenant('b', none), ORDER);
      return other.withTenant('a', () => 'both');
    }),
  );
  assert.equal(await both, 'both');
});

interface Job {
  readonly system: boolean;
  readonly tenant: string | null;
  readonly turns: number;
  readonly fails: boolean;
}

/** Does jobs side by side, each under the locks that it names, and sees to it that no lock has two holders. */
async function doJobs(locks: TenantLocks, jobs: readonly Job[]): Promise<PromiseSettledResult<void>[]> {
  const inside = new Set<string>();
  const alone = async (name: string, work: () => Promise<void>): Promise<void> => {
    assert(!inside.has(name), `${name} has two holders`);
    inside.add(name);
    await work().finally(() => inside.delete(name));
  };
  const doJob = async ({ system, tenant, turns, fails }: Job): Promise<void> => {
    const work = async (): Promise<void> => {
      for (let turn = 0; turn < turns; turn += 1) await settle();
      if (fails) throw new Error('broken');
    };
    const withTenant = async (): Promise<void> =>
      tenant === null ? work() : locks.withTenant(tenant, async () => alone(tenant, work));
    await (system ? locks.withSystem(async () => alone('system', withTenant)) : withTenant());
  };
  return Promise.allSettled(jobs.map(doJob));
}

test('callers that keep to the order never wait for ever, whatever is taken when', async () => {
  const job = fc.record({
    system: fc.boolean(),
    tenant: fc.option(fc.constantFrom('a', 'b', 'c')),
    turns: fc.nat(3),
    fails: fc.boolean(),
  });
  const check = async (jobs: readonly Job[]): Promise<void> => {
    const locks = new TenantLocks();
    const ends = await doJobs(locks, jobs);
    assert.deepEqual(
      ends.map(end => (end.status === 'rejected' ? (end.reason as Error).message : 'well')),
      jobs.map(({ fails }) => (fails ? 'broken' : 'well')),
    );
    assert.equal(locks.size, 0);
  };
  await fc.assert(fc.asyncProperty(fc.array(job, { maxLength: 12 }), check), { numRuns: 50 });
});

/** Locks to be taken each inside of the one before: `system`, or a tenant; `isTry` does not wait. */
type Nest = readonly { readonly lock: string; readonly isTry: boolean }[];

/** How far an agent may get: all the way, or to the first lock that the order forbids. */
function endOf(nest: Nest): string {
  const isBreach = nest.some(
    ({ lock }, at) => at > 1 || (at === 1 && (lock === 'system' || nest[0]?.lock !== 'system')),
  );
  return isBreach ? 'ERR_LOCK_ORDER' : 'well';
}

test('whatever locks are taken in whatever order, no call waits for ever, and only breaches are refused', async () => {
  const hold = fc.record({ lock: fc.constantFrom('system', 'a', 'b', 'c'), isTry: fc.boolean() });
  const nests = fc.array(fc.array(hold, { maxLength: 4 }), { minLength: 2, maxLength: 8 });
  const check = async (seed: number, all: readonly Nest[]): Promise<void> => {
    const locks = new TenantLocks();
    const interleaving = new Interleaving(seed);
    const inside = new Set<string>();
    const take = async ([first, ...rest]: Nest): Promise<string> => {
      await interleaving.turn();
      if (first === undefined) return 'well';
      const { lock, isTry } = first;
      let end = 'busy';
      const work = async (): Promise<void> => {
        assert(!inside.has(lock), `${lock} has two holders`);
        inside.add(lock);
        end = await take(rest).finally(() => inside.delete(lock));
      };
      if (lock === 'system') await locks.withSystem(work);
      else if (isTry) await locks.tryWithTenant(lock, work);
      else await locks.withTenant(lock, work);
      return end;
    };
    const ends = all.map(() => 'waits for ever');
    all.forEach((nest, at) => {
      take(nest).then(
        end => (ends[at] = end),
        (error: unknown) => (ends[at] = (error as { code?: string }).code ?? String(error)),
      );
    });
    await interleaving.untilIdle();
    for (const [at, nest] of all.entries()) {
      const wasBusy = ends[at] === 'busy' && nest.some(({ isTry }) => isTry);
      if (!wasBusy) assert.equal(ends[at], endOf(nest));
    }
    assert.deepEqual([locks.size, inside.size], [0, 0]);
  };
  await fc.assert(fc.asyncProperty(fc.nat(), nests, check), { numRuns: 200 });
});

/** Locks of other processes: taken from outside of the test's TenantLocks, and broken at will. */
class OtherProcesses implements ProcessLocks {
  readonly taken = new Set<string>();
  readonly events: string[] = [];
  breaks: 'take' | 'give back' | undefined;

  async take(name: string): Promise<() => Promise<void>> {
    const giveBack = await this.tryTake(name);
    assert(giveBack, 'a test here never waits');
    return giveBack;
  }

  async tryTake(name: string): Promise<(() => Promise<void>) | undefined> {
    if (this.breaks === 'take') throw new Error('no connection');
    if (this.taken.has(name)) return undefined;
    this.taken.add(name);
    this.events.push(`take ${name}`);
    return async () => {
      this.taken.delete(name);
      this.events.push(`give back ${name}`);
      if (this.breaks === 'give back') throw new Error('no connection');
    };
  }
}

test('other processes are kept out while the work is done, by one lock per tenant and one for the system', async () => {
  const others = new OtherProcesses();
  const locks = new TenantLocks({ processLocks: others });
  await locks.withSystem(async () => locks.withTenant('a', () => others.events.push('work')));
  assert.deepEqual(others.events, ['take system', 'take tenant a', 'work', 'give back tenant a', 'give back system']);
});

test('a tenant that another process has is busy for who tries, and free again here', async () => {
  const others = new OtherProcesses();
  others.taken.add('tenant a');
  const locks = new TenantLocks({ processLocks: others });
  assert.equal(await locks.tryWithTenant('a', () => assert.fail('it is busy')), false);
  assert.equal(locks.size, 0);
});

test('a lock that other processes cannot give is an error, and does not stay taken here', async () => {
  const others = new OtherProcesses();
  others.breaks = 'take';
  const locks = new TenantLocks({ processLocks: others });
  await assert.rejects(
    locks.withTenant('a', () => assert.fail('not locked')),
    /no connection/,
  );
  await assert.rejects(
    locks.tryWithTenant('a', () => assert.fail('not locked')),
    /no connection/,
  );
  assert.equal(locks.size, 0);
});

test('a failing release is logged, and hides neither the error of the work nor what it gives', async () => {
  const others = new OtherProcesses();
  others.breaks = 'give back';
  const log = errorLog();
  const locks = new TenantLocks({ processLocks: others, log });
  const broken = (): never => {
    throw new Error('the work itself');
  };
  await assert.rejects(locks.withTenant('a', broken), /the work itself/);
  assert.equal(await locks.withTenant('a', () => 'well'), 'well');
  assert.equal(await locks.tryWithTenant('a', () => 'well'), true);
  assert.match(log.errors[0] ?? '', /^tenants: the tenant a lock could not be released/);
  assert.deepEqual([log.errors.length, locks.size], [3, 0]);
});

test('what cannot be locked by is refused', async () => {
  assert.throws(() => new TenantLocks({ processLocks: {} as ProcessLocks }), /processLocks is {}/);
  assert.throws(() => new TenantLocks({ shared: true } as never), /unknown option 'shared'/);
  await assert.rejects(
    new TenantLocks().withTenant('', () => undefined),
    /tenant is ''/,
  );
});
