/** What must be so of a farm at any moment, and what in the end: kept apart from the code that is tried. */
import assert from 'node:assert/strict';
import type { FarmTables, HeartbeatPacket, HostRow, JobRow, QueueEntryRow } from 'drone-task-queue/shard';
import type { Store } from 'drone-task-queue/store';

/** All that is in a store, as far as it matters here. */
export interface Contents {
  readonly hosts: readonly HostRow[];
  readonly jobs: readonly JobRow[];
  readonly entries: readonly QueueEntryRow[];
}

export async function contentsOf(store: Store<FarmTables>): Promise<Contents> {
  return store.read(async db => ({
    hosts: await db.selectFrom('farm_host').selectAll().orderBy('id').execute(),
    jobs: await db.selectFrom('farm_job').selectAll().orderBy('id').execute(),
    entries: await db.selectFrom('farm_queue_entry').selectAll().orderBy('id').execute(),
  }));
}

/** Which labels hosts, jobs and shards have, on the master. */
export interface Links {
  readonly shards: readonly { shard_id: number; label_id: number }[];
  readonly hosts: readonly { host_id: number; label_id: number }[];
  readonly jobs: readonly { job_id: number; label_id: number }[];
}

export async function linksOf(store: Store<FarmTables>): Promise<Links> {
  return store.read(async db => ({
    shards: await db.selectFrom('farm_shard_label').selectAll().execute(),
    hosts: await db.selectFrom('farm_host_label').selectAll().execute(),
    jobs: await db.selectFrom('farm_job_label').selectAll().execute(),
  }));
}

/** A shard's store and its id on the master. */
export interface ShardContents extends Contents {
  readonly id: number;
}

function outcomeOf({ status, host_id, finished_on }: QueueEntryRow): string {
  return JSON.stringify({ status, host_id, finished_on });
}

/** Remembers, so that nothing that was certain is ever otherwise. */
export class Ledger {
  readonly #outcomes = new Map<string, string>();
  readonly #shardOfJob = new Map<number, number>();
  readonly #reports = new Map<number, string>();

  /** What a packet tells of ended entries: by one shard, and the same each time. */
  report(packet: HeartbeatPacket): void {
    for (const entry of packet.entries as QueueEntryRow[]) {
      if (entry.complete === 0) continue;
      const report = `${packet.shardHostname}: ${outcomeOf(entry)}`;
      assert.equal(report, this.#reports.get(entry.id) ?? report, `entry ${String(entry.id)} was reported twice`);
      this.#reports.set(entry.id, report);
    }
  }

  look(master: Contents, shards: readonly ShardContents[]): void {
    this.#lookAtEntries('the master', master);
    for (const shard of shards) this.#lookAtEntries(`shard ${String(shard.id)}`, shard);
    this.#lookAtJobs(master, shards);
    const jobs = new Map(master.jobs.map(job => [job.id, job]));
    for (const entry of master.entries) {
      if (entry.complete === 0) continue;
      const shardId = jobs.get(entry.job_id)?.shard_id ?? null;
      const there = shards.find(({ id }) => id === shardId)?.entries.find(({ id }) => id === entry.id);
      if (shardId === null) assert.equal(entry.status, 'Aborted', `entry ${String(entry.id)} had no shard`);
      else assert.equal(outcomeOf(entry), there && outcomeOf(there), `entry ${String(entry.id)} on the master`);
    }
  }

  #lookAtEntries(where: string, { entries }: Contents): void {
    for (const entry of entries) {
      const key = `entry ${String(entry.id)} on ${where}`;
      const before = this.#outcomes.get(key);
      if (entry.complete === 0) assert.equal(before, undefined, `${key} is not complete any more`);
      else assert.equal(outcomeOf(entry), before ?? outcomeOf(entry), `${key} has another outcome`);
      if (entry.complete === 1) this.#outcomes.set(key, outcomeOf(entry));
    }
  }

  #lookAtJobs(master: Contents, shards: readonly ShardContents[]): void {
    for (const { id, shard_id } of master.jobs) {
      const before = this.#shardOfJob.get(id);
      if (before !== undefined) assert.equal(shard_id, before, `job ${String(id)} has changed its shard`);
      if (shard_id !== null) this.#shardOfJob.set(id, shard_id);
    }
    for (const shard of shards) {
      for (const { id } of shard.jobs) {
        assert.equal(this.#shardOfJob.get(id), shard.id, `job ${String(id)} is on shard ${String(shard.id)}`);
      }
    }
  }
}

/** What is not yet as it is to be when nothing happens but heartbeats. */
export function complaints(master: Contents, links: Links, shards: readonly ShardContents[]): string[] {
  return [...shards.flatMap(shard => shardComplaints(master, links, shard)), ...jobComplaints(master, links)];
}

function shardComplaints(master: Contents, links: Links, shard: ShardContents): string[] {
  const found: string[] = [];
  const name = `shard ${String(shard.id)}`;
  const labels = labelsOfShard(links, shard.id);
  const valid = new Map(shard.hosts.filter(({ invalid }) => invalid === 0).map(host => [host.id, host]));
  for (const host of master.hosts) {
    const here = valid.get(host.id);
    if (here !== undefined && host.shard_id !== shard.id) found.push(`host ${String(host.id)} is still on ${name}`);
    if (here !== undefined && here.status !== host.status) found.push(`host ${String(host.id)} is ${host.status}`);
    const isHeld = host.shard_id === shard.id && host.invalid === 0;
    const isFor = links.hosts.some(link => link.host_id === host.id && labels.has(link.label_id));
    if (isHeld && !isFor) found.push(`host ${String(host.id)} was not taken from ${name}`);
    if (isFor && host.invalid === 0 && here === undefined) found.push(`host ${String(host.id)} is not on ${name}`);
  }
  const ended = new Set(shard.entries.filter(({ complete }) => complete === 1).map(entry => entry.job_id));
  for (const { id, shard_id } of shard.jobs) {
    if (shard_id === null && ended.has(id)) found.push(`job ${String(id)} is to be uploaded from ${name}`);
  }
  return found;
}

function jobComplaints(master: Contents, links: Links): string[] {
  const owners = new Map(links.shards.map(link => [link.label_id, link.shard_id]));
  const found: string[] = [];
  for (const { id, shard_id } of master.jobs) {
    const entries = master.entries.filter(entry => entry.job_id === id);
    const isOpen = entries.some(({ complete }) => complete === 0);
    if (!isOpen) continue;
    if (shard_id !== null) found.push(`job ${String(id)} is not complete`);
    else if (entries.every(entry => entry.complete + entry.active === 0)) {
      const needed = [
        ...links.jobs.filter(link => link.job_id === id).map(link => link.label_id),
        ...entries.flatMap(entry => entry.meta_host ?? labelsOfHost(links, entry.host_id)),
      ];
      if (needed.some(label => owners.has(label))) found.push(`job ${String(id)} has no shard`);
    }
  }
  return found;
}

/** Entries that are to end, and whose shard does not know. */
export function unheardAborts(master: Contents, shards: readonly ShardContents[]): string[] {
  return master.jobs.flatMap(({ id, shard_id }) => {
    const open = new Set(
      master.entries.filter(entry => entry.job_id === id && entry.complete === 0).map(entry => entry.id),
    );
    const isTold = master.entries.every(entry => !open.has(entry.id) || entry.aborted === 1);
    if (!isTold || shard_id === null) return [];
    const there = shards.find(shard => shard.id === shard_id)?.entries.filter(entry => open.has(entry.id)) ?? [];
    return there.every(({ aborted, complete }) => aborted + complete > 0) ? [] : [`job ${String(id)} is to be aborted`];
  });
}

function labelsOfShard(links: Links, shardId: number): Set<number> {
  return new Set(links.shards.filter(link => link.shard_id === shardId).map(link => link.label_id));
}

function labelsOfHost(links: Links, hostId: number | null): number[] {
  return links.hosts.filter(link => link.host_id === hostId).map(link => link.label_id);
}
