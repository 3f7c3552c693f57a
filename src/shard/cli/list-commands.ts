/** The commands of `drone-shard` that list what is in a store. */
import type { Log } from '../../report/log.js';
import { listHosts } from '../master/hosts.js';
import { listJobs } from '../master/jobs.js';
import { listShards } from '../master/shards.js';
import { readByIds } from '../records/chunks.js';
import type { FarmReader } from '../records/farm-store.js';
import type { QueueEntryRow } from '../records/farm-tables.js';
import { serializeHosts, serializeJobs } from '../records/serialize.js';
import type { CommandLine } from './command-line.js';
import { jobNumber } from './farm-commands.js';
import { openFarm } from './open-farm.js';
import { type Cell, print, table } from './print.js';
import { type Settings, UsageError } from './settings.js';

/** A table's columns and rows, and what `--json` prints in place of them. */
interface List {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  readonly records: readonly object[];
}

type Filter = CommandLine['options'];

const ALL = { afterId: 0, limit: 2 ** 31 - 1 };

/** Runs a command that lists. All of a list comes from one snapshot. */
export async function listFarm(line: CommandLine, settings: Settings, log: Log): Promise<void> {
  const { command, argument, options } = line;
  if (options.shard !== undefined && options.unassigned === true) {
    throw new UsageError('--shard and --unassigned exclude each other');
  }
  const jobId = command === 'list-entries' ? jobNumber(argument) : 0;
  await using store = await openFarm(settings, log);
  const { columns, rows, records } = await store.read(
    async db => {
      if (command === 'list-shards') return shardList(db);
      if (command === 'list-hosts') return hostList(db, options);
      return command === 'list-jobs' ? jobList(db, options) : entryList(db, jobId);
    },
    { name: command },
  );
  const json = records.map(record => `${JSON.stringify(record)}\n`).join('');
  await print(options.json === true ? json : table(columns, rows), 'the list could not be printed');
}

async function shardList(db: FarmReader): Promise<List> {
  const records = await listShards(db);
  const rows = records.map(({ hostname, labels }) => [hostname, labels.join(', ')]);
  return { columns: ['shard', 'labels'], rows, records };
}

async function hostList(db: FarmReader, filter: Filter): Promise<List> {
  const [label, ...more] = filter.label ?? [];
  if (more.length > 0) throw new UsageError('list-hosts takes one --label');
  const hosts = await listHosts(db, { ...ALL, shard: shardIn(filter), label });
  const ids = hosts.map(({ id }) => id);
  const records = await serializeHosts(db, ids);
  const rows = records.map(({ hostname, status, shard, labels, locked, leased }) => {
    const notes = [locked === 1 ? 'locked' : '', leased === 1 ? 'leased' : ''].filter(note => note !== '');
    return [hostname, status, shard?.hostname, labels.map(({ name }) => name).join(', '), notes.join(', ')];
  });
  return { columns: ['host', 'status', 'shard', 'labels', 'notes'], rows, records };
}

async function jobList(db: FarmReader, filter: Filter): Promise<List> {
  const { owner, open } = filter;
  const complete = open === true ? false : undefined;
  const jobs = await listJobs(db, { ...ALL, shard: shardIn(filter), owner, parentJobId: undefined, complete });
  const ids = jobs.map(({ id }) => id);
  const records = await serializeJobs(db, ids);
  const rows = records.map(job => {
    const ended = job.entries.filter(entry => entry.complete === 1).length;
    const progress = `${String(ended)} of ${String(job.entries.length)}`;
    return [job.id, job.name, job.owner, job.priority, job.shard?.hostname, progress, job.created_on];
  });
  return { columns: ['job', 'name', 'owner', 'priority', 'shard', 'complete', 'created'], rows, records };
}

async function entryList(db: FarmReader, jobId: number): Promise<List> {
  const [job] = await serializeJobs(db, [jobId]);
  if (job === undefined) throw new UsageError(`the store has no job ${String(jobId)}`);
  const hostIds = job.entries.map(entry => entry.host_id).filter(id => id !== null);
  const hosts = await readByIds(hostIds, ids =>
    db.selectFrom('farm_host').select(['id', 'hostname']).where('id', 'in', ids).execute(),
  );
  const hostnames = new Map(hosts.map(({ id, hostname }) => [id, hostname]));
  const records = job.entries.map(entry => {
    // A shard may have an entry before its host.
    const host = entry.host_id === null ? null : (hostnames.get(entry.host_id) ?? `host ${String(entry.host_id)}`);
    return { ...entry, host };
  });
  const rows = records.map(entry => {
    const { id, host, meta_host_label: label, status, started_on, finished_on } = entry;
    return [id, host, label?.name, status, stateOf(entry), started_on, finished_on];
  });
  return { columns: ['entry', 'host', 'meta host', 'status', 'state', 'started', 'finished'], rows, records };
}

function shardIn({ shard, unassigned }: Filter): string | null | undefined {
  return unassigned === true ? null : shard;
}

function stateOf({ active, complete, aborted }: QueueEntryRow): string {
  if (complete === 1) return 'complete';
  const state = active === 1 ? 'active' : 'waiting';
  return aborted === 1 ? `${state}, aborting` : state;
}
