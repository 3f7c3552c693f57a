/** One history of a farm, made by dice: what users, schedulers, shards and the master do, and what becomes of them. */
import assert from 'node:assert/strict';
import {
  completeEntry,
  type FarmTables,
  type HeartbeatReply,
  type NewEntry,
  type NewJob,
  type QueueEntryRow,
  ShardClient,
  ShardMaster,
} from 'drone-task-queue/shard';
import type { Store } from 'drone-task-queue/store';
import type { Dice } from '../../soak/dice.js';
import { complaints, contentsOf, Ledger, linksOf, type ShardContents, unheardAborts } from './ledger.js';
import { Death, Life } from './life.js';
import { lost, LossyLink } from './lossy-link.js';

/** Stores with the farm's tables and nothing in them. */
export interface Stores {
  readonly master: Store<FarmTables>;
  readonly shards: readonly Store<FarmTables>[];
}

const STEPS = 30;
/** What must not change can be seen to have changed a few steps later, too. */
const STEPS_PER_LOOK = 5;
/** Of which a process dies in one, when it is to die. */
const MAX_LIFE_STEPS = 24;
const HEAL_ROUNDS = 40;
const HOSTS = 4;
/** That shards take; further ones have no shard. */
const RACKS = ['rack-0', 'rack-1', 'rack-2'] as const;

interface ModelShard {
  readonly id: number;
  readonly hostname: string;
  readonly store: Store<FarmTables>;
  readonly link: LossyLink;
}

export class History {
  /** What has happened: for who has to find out why something went wrong. */
  readonly told: string[] = [];
  readonly #dice: Dice;
  readonly #stores: Stores;
  readonly #ledger = new Ledger();
  readonly #shards: ModelShard[] = [];
  readonly #jobIds: number[] = [];
  #isHealed = false;
  /** How deep others are in between each other's steps. */
  #depth = 0;
  #moments = 0;

  constructor(dice: Dice, stores: Stores) {
    this.#dice = dice;
    this.#stores = stores;
  }

  async run(): Promise<void> {
    await this.#begin();
    for (let step = 0; step < STEPS; step++) {
      await this.#act(this.#acts);
      if (step % STEPS_PER_LOOK === 0) await this.#look();
    }
    await this.#heal();
  }

  async #begin(): Promise<void> {
    for (const name of [...RACKS, 'fast']) await this.#master.createLabel(name);
    for (const [at, store] of this.#stores.shards.entries()) {
      const hostname = `shard-${String(at)}`;
      const id = await this.#master.createShard({ hostname, labels: [RACKS[at] ?? ''] });
      const link = new LossyLink(
        this.#dice,
        packet => {
          this.#ledger.report(packet);
          return this.#answer(hostname, packet);
        },
        () => this.#meanwhile(),
        what => this.#tell(`${hostname}: ${what}`),
      );
      this.#shards.push({ id, hostname, store, link });
    }
    const labels = (): string[] => [this.#pick(RACKS)];
    await this.#master.createHosts(
      Array.from({ length: HOSTS }, (_, at) => ({ hostname: `host-${String(at)}`, labels: labels() })),
    );
  }

  /** What users do: their program does not die here, as each of its steps is one section. */
  get #master(): ShardMaster<FarmTables> {
    return new ShardMaster(this.#stores.master);
  }

  readonly #acts: readonly { readonly weight: number; readonly act: () => Promise<void> }[] = [
    { weight: 4, act: () => this.#createJob() },
    { weight: 2, act: () => this.#abortJob() },
    { weight: 2, act: () => this.#moveLabel() },
    { weight: 1, act: () => this.#moveHost() },
    { weight: 1, act: () => this.#lease() },
    { weight: 1, act: () => this.#setHostStatus() },
    { weight: 10, act: () => this.#schedule(this.#pick(this.#shards)) },
    { weight: 12, act: () => this.#heartbeat(this.#pick(this.#shards)) },
    { weight: 2, act: () => this.#deliverLate(this.#pick(this.#shards)) },
  ];

  /** What may come in between the steps of others. */
  async #meanwhile(): Promise<void> {
    if (this.#isHealed || this.#depth >= 2 || !this.#dice.chance(0.12)) return;
    await this.#act(this.#acts);
  }

  async #act(acts: readonly { weight: number; act: () => Promise<void> }[]): Promise<void> {
    this.#depth += 1;
    await this.#dice.weighted(acts)?.act();
    this.#depth -= 1;
  }

  async #createJob(): Promise<void> {
    const kind = this.#dice.between(0, 5);
    const entry = (): NewEntry => {
      if (kind === 0) return {};
      if (kind === 1) return { host: `host-${String(this.#dice.between(0, HOSTS - 1))}` };
      return { metaHost: kind === 2 ? 'fast' : this.#pick(RACKS) };
    };
    const job: NewJob = {
      name: 'job',
      owner: 'ann',
      command: 'run it',
      priority: this.#dice.between(0, 2),
      labels: kind === 2 ? [this.#pick(RACKS)] : [],
      entries: Array.from({ length: this.#dice.between(1, 3) }, entry),
    };
    const id = await this.#master.createJob(job);
    this.#jobIds.push(id);
    this.#tell(`job ${String(id)}: ${JSON.stringify([job.labels, job.entries])}`);
  }

  async #abortJob(): Promise<void> {
    const id = this.#dice.pick(this.#jobIds);
    if (id === undefined) return;
    this.#tell(`abort job ${String(id)}: ${String(await this.#master.abortJob(id))}`);
  }

  /** To another shard, or to none. */
  async #moveLabel(): Promise<void> {
    const label = this.#pick(RACKS);
    const owner = (await this.#master.listShards()).find(({ labels }) => labels.includes(label));
    const next = this.#dice.pick([...this.#shards, undefined])?.hostname;
    if (owner !== undefined) await this.#master.removeLabelFromShard(owner.hostname, label);
    if (next !== undefined) await this.#master.addLabelToShard(next, label);
    this.#tell(`${label} from ${owner?.hostname ?? 'none'} to ${next ?? 'none'}`);
  }

  async #moveHost(): Promise<void> {
    const [hostname, label] = [`host-${String(this.#dice.between(0, HOSTS - 1))}`, this.#pick(RACKS)];
    await this.#master.setHostLabels(hostname, [label]);
    this.#tell(`${hostname} to ${label}`);
  }

  async #lease(): Promise<void> {
    const hostname = `host-${String(this.#dice.between(0, HOSTS - 1))}`;
    const leased = await this.#master.leaseHost(hostname);
    if (!leased) await this.#master.releaseHost(hostname);
    this.#tell(`${leased ? 'lease' : 'release'} ${hostname}`);
  }

  async #setHostStatus(): Promise<void> {
    const shard = this.#pick(this.#shards);
    const { hosts } = await contentsOf(shard.store);
    const host = this.#dice.pick(hosts);
    if (host === undefined) return;
    const status = this.#pick(['Ready', 'Running', 'Repairing']);
    await shard.store.readWrite('set status', tx =>
      tx.updateTable('farm_host').set({ status }).where('id', '=', host.id).execute(),
    );
    this.#tell(`${shard.hostname}: host ${String(host.id)} is ${status}`);
  }

  /** The shard's scheduler: begins something, or ends it, as it finds it after its own death, too. */
  async #schedule(shard: ModelShard): Promise<void> {
    const entry = this.#dice.pick(await openEntries(shard.store));
    if (entry === undefined) return;
    if (this.#dice.chance(0.3)) {
      const news = { status: 'Running', active: 1, started_on: this.#moment(), finished_on: null } as const;
      await shard.store.readWrite('start', tx =>
        tx.updateTable('farm_queue_entry').set(news).where('id', '=', entry.id).execute(),
      );
      this.#tell(`${shard.hostname}: starts entry ${String(entry.id)}`);
    } else await this.#complete(shard, entry);
  }

  async #complete(shard: ModelShard, entry: QueueEntryRow): Promise<void> {
    const status = entry.aborted === 1 ? 'Aborted' : this.#pick(['Completed', 'Failed']);
    const outcome = { status, finishedOn: this.#moment() };
    this.#tell(`${shard.hostname}: completes entry ${String(entry.id)}, ${status}`);
    await this.#live(`${shard.hostname}'s scheduler`, life =>
      completeEntry(life.storeOf(shard.store), entry.id, outcome),
    );
  }

  async #heartbeat(shard: ModelShard): Promise<void> {
    this.#tell(`${shard.hostname}: heartbeat`);
    await this.#asClient(shard, async client => {
      await client.doHeartbeat();
    });
  }

  async #deliverLate({ link, ...shard }: ModelShard): Promise<void> {
    const packet = link.lateRequests.shift();
    if (packet !== undefined) {
      this.#tell(`${shard.hostname}: a late request`);
      await link.deliver(packet).catch(ifDead);
    }
    const reply = link.lateReplies.shift();
    if (reply === undefined) return;
    this.#tell(`${shard.hostname}: a late reply`);
    await this.#asClient({ link, ...shard }, async client => {
      await client.processHeartbeatResponse(reply);
    });
  }

  async #asClient(shard: ModelShard, work: (client: ShardClient) => Promise<void>): Promise<void> {
    const { hostname, link, store } = shard;
    const random = (): number => this.#dice.next();
    const options = { shardHostname: hostname, maxUploadJobs: 2, random };
    await this.#live(hostname, life => work(new ShardClient(life.storeOf(store), link, options)));
  }

  /** The master, which may die of it: then nothing answers. */
  async #answer(
    hostname: string,
    packet: Parameters<ShardMaster<FarmTables>['heartbeat']>[1],
  ): Promise<HeartbeatReply> {
    let reply: HeartbeatReply | undefined;
    await this.#live('master', async life => {
      const limits = { maxJobsPerReply: 2, maxHostsPerReply: 2, random: () => this.#dice.next() };
      reply = await new ShardMaster(life.storeOf(this.#stores.master), limits).heartbeat(hostname, packet);
    });
    if (reply === undefined) throw lost();
    return reply;
  }

  /** A process does something, and may die of it. */
  async #live(who: string, work: (life: Life) => Promise<void>): Promise<void> {
    const isMortal = !this.#isHealed && this.#dice.chance(0.2);
    const life = new Life(isMortal ? this.#dice.between(0, MAX_LIFE_STEPS) : Infinity, () => this.#meanwhile());
    try {
      await work(life);
    } catch (error) {
      if (!(error instanceof Death)) throw error;
    }
    if (life.isOver) this.#tell(`${who} is dead`);
  }

  async #look(): Promise<void> {
    this.#ledger.look(await contentsOf(this.#stores.master), await this.#contents());
  }

  async #contents(): Promise<ShardContents[]> {
    return Promise.all(this.#shards.map(async ({ id, store }) => ({ id, ...(await contentsOf(store)) })));
  }

  /** What was late comes, then nothing happens but heartbeats, then schedulers end what is open: all is well in the end. */
  async #heal(): Promise<void> {
    this.#tell('healed');
    this.#isHealed = true;
    for (const shard of this.#shards) {
      shard.link.isWhole = true;
      while (shard.link.lateRequests.length + shard.link.lateReplies.length > 0) await this.#deliverLate(shard);
    }
    for (let at = 0; at < HOSTS; at++) await this.#master.releaseHost(`host-${String(at)}`);
    await this.#until(async () => unheardAborts(await contentsOf(this.#stores.master), await this.#contents()));
    await this.#until(async () => {
      for (const { id, store } of this.#shards) {
        const shard = this.#shards.find(each => each.id === id);
        for (const entry of await openEntries(store)) if (shard !== undefined) await this.#complete(shard, entry);
      }
      const master = await contentsOf(this.#stores.master);
      return complaints(master, await linksOf(this.#stores.master), await this.#contents());
    });
    await this.#look();
  }

  async #until(left: () => Promise<string[]>): Promise<void> {
    let found: string[] = [];
    for (let round = 0; round < HEAL_ROUNDS; round++) {
      found = await left();
      if (found.length === 0) return;
      for (const shard of this.#shards) await this.#heartbeat(shard);
    }
    assert.deepEqual(found, [], 'after many heartbeats');
  }

  #pick<T>(list: readonly T[]): T {
    const picked = this.#dice.pick(list);
    assert.ok(picked !== undefined);
    return picked;
  }

  #moment(): string {
    return new Date(Date.UTC(2026, 0, 1) + ++this.#moments * 1000).toISOString();
  }

  #tell(what: string): void {
    this.told.push(`${'  '.repeat(Math.max(0, this.#depth - 1))}${what}`);
  }
}

async function openEntries(store: Store<FarmTables>): Promise<QueueEntryRow[]> {
  return store.read(db =>
    db.selectFrom('farm_queue_entry').selectAll().where('complete', '=', 0).orderBy('id').execute(),
  );
}

function ifDead(error: unknown): void {
  if ((error as { code?: unknown }).code !== 'ERR_MASTER_TIMEOUT') throw error;
}
