import assert from 'node:assert/strict';
import test from 'node:test';
import { refuses } from '../../../src/store/postgres/refusal.js';

const REFUSED = [
  'ABORT',
  'BEGIN',
  'COMMIT AND',
  'COMMIT PREPARED',
  'DEALLOCATE ALL',
  'DISCARD ALL',
  'END',
  'LISTEN CHANNEL',
  'LOAD',
  'PREPARE TRANSACTION',
  'RELEASE SAVEPOINT',
  'RESET ALL',
  'ROLLBACK TO',
  'SAVEPOINT A',
  'SET SESSION',
  'SET SEARCH_PATH',
  'SET',
  'START TRANSACTION',
  'UNLISTEN',
];
const ALLOWED = [
  '',
  'SELECT 1',
  'INSERT INTO',
  'WITH A',
  'NOTIFY CHANNEL',
  'LOCK TABLE',
  'SET LOCAL',
  'SET TRANSACTION',
  'SET CONSTRAINTS',
  'UPDATE SET',
];

test('statements that end the transaction or change the session are refused', () => {
  assert.deepEqual(
    REFUSED.filter(words => !refuses(words)),
    [],
  );
});

test('statements that last no longer than the transaction are not refused', () => {
  assert.deepEqual(ALLOWED.filter(refuses), []);
});
