/** The commands of `drone-shard` that change a store: its tables, shards, tokens, hosts and jobs. */
import { userInfo } from 'node:os';
import type { Log } from '../../report/log.js';
import type { Store } from '../../store/store.js';
import { createLabel } from '../master/labels.js';
import { findAll } from '../master/named.js';
import { ShardMaster } from '../master/shard-master.js';
import { farmMigrations } from '../records/farm-migrations.js';
import { write } from '../records/farm-store.js';
import type { FarmTables } from '../records/farm-tables.js';
import type { CommandLine } from './command-line.js';
import { openFarm, openStore } from './open-farm.js';
import { print } from './print.js';
import { type Settings, UsageError } from './settings.js';

export async function migrateFarm(settings: Settings, log: Log): Promise<void> {
  await using store = await openStore(settings, log);
  const { applied } = await store.migrate(farmMigrations);
  log.info(applied.length === 0 ? 'the tables are up to date' : `the tables were created: ${applied.join(', ')}`);
}

/** Runs a command that changes a master's store. */
export async function changeFarm(line: CommandLine, settings: Settings, log: Log): Promise<void> {
  const { command, argument, options } = line;
  const { label: labels = [] } = options;
  // Checked before the store is opened.
  const job = command === 'add-job' ? newJobOf(line) : undefined;
  const jobId = command === 'abort-job' ? jobNumber(argument) : 0;
  const attributes = pairsOf('attribute', options.attribute);
  await using store = await openFarm(settings, log);
  const master = new ShardMaster(store, { log });
  if (command === 'add-shard') {
    await withLabels(store, labels, () => master.createShard({ hostname: argument, labels }));
    log.info(`the shard ${argument} was added`);
  } else if (command === 'add-host') {
    await withLabels(store, labels, () => master.createHost({ hostname: argument, labels, attributes }));
    log.info(`the host ${argument} was added`);
  } else if (command === 'token') {
    const token = options.rotate === true ? await master.rotateToken(argument) : await master.createToken(argument);
    await print(`${token}\n`, 'the token was created but could not be printed: create another one');
  } else if (job !== undefined) {
    const id = await master.createJob(job);
    await print(`${String(id)}\n`, `the job ${String(id)} was added, but its number could not be printed`);
  } else {
    const open = await master.abortJob(jobId);
    log.info(`the job ${argument} was aborted: ${String(open)} of its entries had not ended`);
  }
}

/** Throws a UsageError. */
export function jobNumber(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new UsageError(`'${text}' is not the number of a job`);
}

function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no entry in passwd.
    throw new UsageError('add-job needs --owner <user>: this process has a user without a name');
  }
}

function newJobOf({ argument: name, options }: CommandLine): Parameters<ShardMaster<FarmTables>['createJob']>[0] {
  const { command, label: labels, owner = loginName(), priority, parent, host = [] } = options;
  if (command === undefined) throw new UsageError('add-job needs --command <text>');
  if (priority !== undefined && !/^-?\d{1,9}$/.test(priority)) {
    throw new UsageError(`--priority is '${priority}', not an integer`);
  }
  const entries = [
    ...host.map(each => ({ host: each })),
    ...(options['meta-host'] ?? []).map(metaHost => ({ metaHost })),
  ];
  return {
    name,
    owner,
    command,
    labels,
    priority: priority === undefined ? undefined : Number(priority),
    parentJobId: parent === undefined ? undefined : jobNumber(parent),
    keyvals: pairsOf('keyval', options.keyval),
    entries: entries.length === 0 ? [{}] : entries,
  };
}

function pairsOf(option: string, pairs: readonly string[] = []): Record<string, string> {
  const split = pairs.map(pair => {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--${option} is '${pair}', not <name>=<value>`);
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  return Object.fromEntries(split) as Record<string, string>;
}

/** Creates missing labels in the section of `work`, so that a refused one leaves no labels behind. */
async function withLabels(
  store: Store<FarmTables>,
  labels: readonly string[],
  work: () => Promise<unknown>,
): Promise<void> {
  await write(store, 'add with labels', async tx => {
    const known = await findAll(tx, 'label', labels);
    for (const label of new Set(labels)) if (!known.has(label)) await createLabel(tx, label);
    await work();
  });
}
