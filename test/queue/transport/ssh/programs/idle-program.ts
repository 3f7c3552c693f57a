/** A process with an open channel and nothing else to do. Exits with 5 when the channel ends while it is still there. */
import type { SshDroneOptions } from '../../../../../src/queue/drone/ssh-drone.js';
import { openSession } from '../agent-session.js';

const [state, options] = process.argv.slice(2);
const session = await openSession(JSON.parse(options ?? '{}') as SshDroneOptions, { input: Buffer.from('x') });
await session.received(1);
if (state === 'released') session.channel.release();
void session.ended.then(() => {
  process.exitCode = 5;
});
process.stdout.write(`${state ?? ''}\n`);
