/** A process with an open engine that has done its work, and nothing else to do. */
import { inTransaction, openEngine } from '../engines.js';

const engine = await openEngine(process.argv[2] ?? '');
await inTransaction(engine, 'read', 'SELECT 1');
await inTransaction(engine, 'readWrite', 'SELECT 1');
process.stdout.write('idle\n');
