/** The databases that must pass the store's contract suite. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { StoreOptions } from 'drone-task-queue/store';
import { type Postgres, startPostgres } from '../../support/postgres.js';

/** A disk that others keep busy would make each commit a matter of seconds. */
const MEMORY = '/dev/shm';

/** Where a database is, as a store's options say it. */
export type Place = Pick<StoreOptions, 'file' | 'url' | 'memory'>;

export interface TestDatabase {
  /** Goes into the names of the tests. */
  readonly name: string;
  readonly kind: 'sqlite' | 'postgres';
  /** A new, empty database. */
  place(): Promise<Place>;
}

export interface TestDatabases {
  readonly all: readonly TestDatabase[];
  /** Those that other processes can open as well. */
  readonly shared: readonly TestDatabase[];
  readonly sqliteFile: TestDatabase;
  readonly sqliteMemory: TestDatabase;
  readonly postgres: TestDatabase;
  /** The server, once it has been started. */
  server(): Postgres;
}

/** Called at the top of a test file, before its leak check: what the databases need is there for all of its tests. */
export function testDatabases(): TestDatabases {
  let folder = '';
  let files = 0;
  let postgresServer: Postgres | undefined;
  before(async () => {
    folder = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'drone-files-'));
    postgresServer = await startPostgres();
  });
  after(async () => {
    await postgresServer?.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const server = (): Postgres => {
    if (postgresServer === undefined) throw new Error('PostgreSQL was not started');
    return postgresServer;
  };
  const sqliteFile: TestDatabase = {
    name: 'SQLite file',
    kind: 'sqlite',
    place: async () => ({ file: join(folder, `${String(++files)}.db`) }),
  };
  const sqliteMemory: TestDatabase = {
    name: 'SQLite memory',
    kind: 'sqlite',
    place: async () => ({ memory: true }),
  };
  const postgres: TestDatabase = {
    name: 'PostgreSQL',
    kind: 'postgres',
    place: async () => ({ url: await server().database() }),
  };
  return {
    all: [sqliteFile, sqliteMemory, postgres],
    shared: [sqliteFile, postgres],
    sqliteFile,
    sqliteMemory,
    postgres,
    server,
  };
}
