/** A process that connects when it gets the word, and says how that went: `in`, or the code of its failure. */
import { once } from 'node:events';
import type { SshDroneOptions } from '../../../../../src/queue/drone/ssh-drone.js';
import { TransportError } from '../../../../../src/queue/transport/transport.js';
import { close, openSession } from '../agent-session.js';

process.stdout.write('ready\n');
await once(process.stdin, 'data');
process.stdin.destroy();
try {
  await close(await openSession(JSON.parse(process.argv[2] ?? '{}') as SshDroneOptions));
  process.stdout.write('in\n');
} catch (error) {
  process.stdout.write(`${error instanceof TransportError ? (error.code ?? error.message) : String(error)}\n`);
}
