import { type Kysely, type Migration, sql } from 'kysely';

const TABLES = [
  'farm_label (id integer PRIMARY KEY, name text NOT NULL UNIQUE)',
  'farm_shard (id integer PRIMARY KEY, hostname text NOT NULL UNIQUE)',
  `farm_shard_label (
     shard_id integer NOT NULL REFERENCES farm_shard (id) ON DELETE CASCADE,
     label_id integer PRIMARY KEY REFERENCES farm_label (id) ON DELETE CASCADE
   )`,
  `farm_shard_token (
     id integer PRIMARY KEY, shard_id integer NOT NULL REFERENCES farm_shard (id) ON DELETE CASCADE,
     token_hash text NOT NULL, created_on text NOT NULL
   )`,
  'farm_user (id integer PRIMARY KEY, login text NOT NULL UNIQUE, access_level integer NOT NULL)',
  'farm_acl_group (id integer PRIMARY KEY, name text NOT NULL UNIQUE, description text NOT NULL)',
  `farm_acl_group_user (
     acl_group_id integer NOT NULL REFERENCES farm_acl_group (id) ON DELETE CASCADE,
     user_id integer NOT NULL REFERENCES farm_user (id) ON DELETE CASCADE,
     PRIMARY KEY (acl_group_id, user_id)
   )`,
  `farm_host (
     id integer PRIMARY KEY, hostname text NOT NULL, status text NOT NULL,
     locked integer NOT NULL, leased integer NOT NULL, invalid integer NOT NULL,
     shard_id integer REFERENCES farm_shard (id)
   )`,
  `farm_acl_group_host (
     acl_group_id integer NOT NULL REFERENCES farm_acl_group (id) ON DELETE CASCADE,
     host_id integer NOT NULL REFERENCES farm_host (id) ON DELETE CASCADE,
     PRIMARY KEY (acl_group_id, host_id)
   )`,
  `farm_host_attribute (
     id integer PRIMARY KEY, host_id integer NOT NULL REFERENCES farm_host (id) ON DELETE CASCADE,
     attribute text NOT NULL, value text NOT NULL, UNIQUE (host_id, attribute)
   )`,
  `farm_host_label (
     host_id integer NOT NULL REFERENCES farm_host (id) ON DELETE CASCADE,
     label_id integer NOT NULL REFERENCES farm_label (id) ON DELETE CASCADE,
     PRIMARY KEY (host_id, label_id)
   )`,
  `farm_job (
     id integer PRIMARY KEY, name text NOT NULL, owner text NOT NULL, priority integer NOT NULL,
     command text NOT NULL, created_on text NOT NULL, parent_job_id integer,
     shard_id integer REFERENCES farm_shard (id)
   )`,
  // No reference: a shard gets the keyvals of a parent without that job.
  `farm_job_keyval (
     id integer PRIMARY KEY, job_id integer NOT NULL, key text NOT NULL, value text NOT NULL, UNIQUE (job_id, key)
   )`,
  `farm_job_label (
     job_id integer NOT NULL REFERENCES farm_job (id) ON DELETE CASCADE,
     label_id integer NOT NULL REFERENCES farm_label (id) ON DELETE CASCADE,
     PRIMARY KEY (job_id, label_id)
   )`,
  // No reference for host_id: a job's entry may reach a shard before its host.
  `farm_queue_entry (
     id integer PRIMARY KEY, job_id integer NOT NULL REFERENCES farm_job (id) ON DELETE CASCADE, host_id integer,
     meta_host integer REFERENCES farm_label (id), status text NOT NULL,
     active integer NOT NULL, complete integer NOT NULL, aborted integer NOT NULL,
     started_on text, finished_on text, execution_subdir text NOT NULL
   )`,
  'farm_sequence (name text PRIMARY KEY, last integer NOT NULL)',
];

const INDEXES = [
  'farm_host_hostname ON farm_host (hostname)',
  'farm_host_shard ON farm_host (shard_id)',
  'farm_host_label_label ON farm_host_label (label_id)',
  'farm_acl_group_host_host ON farm_acl_group_host (host_id)',
  'farm_acl_group_user_user ON farm_acl_group_user (user_id)',
  'farm_shard_token_shard ON farm_shard_token (shard_id)',
  'farm_shard_label_shard ON farm_shard_label (shard_id)',
  'farm_job_shard ON farm_job (shard_id)',
  'farm_job_label_label ON farm_job_label (label_id)',
  'farm_queue_entry_job ON farm_queue_entry (job_id)',
  // Open entries are the part of the table that does not grow with the farm's history.
  'farm_queue_entry_open ON farm_queue_entry (job_id) WHERE complete = 0',
];

/** Migrations for `Store.migrate`, together with your own: `store.migrate({ ...farmMigrations, ...mine })`. */
export const farmMigrations: Readonly<Record<string, Migration>> = {
  '2026-11-drone-task-queue-farm': {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const table of TABLES) await sql.raw(`CREATE TABLE ${table}`).execute(db);
      for (const index of INDEXES) await sql.raw(`CREATE INDEX ${index}`).execute(db);
    },
  },
};
