/** What processes that start together all want to have been done. */
import { sql } from 'kysely';

/** @param {string} text @returns {import('kysely').Migration} */
function step(text) {
  return {
    up: async db => {
      await sql.raw(text).execute(db);
    },
  };
}

/** Not in the order of their names, and each good for once only. */
export const migrations = {
  '3_fill': step("INSERT INTO job (id, status) VALUES (1, 'queued')"),
  '1_job': step('CREATE TABLE job (id integer PRIMARY KEY)'),
  '2_status': step('ALTER TABLE job ADD COLUMN status text'),
};
