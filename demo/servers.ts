/** The process that runs the SSH servers, so that what the scheduler's loop is late for is the scheduler's own doing. */
import { type SshServer, startSshServer } from 'drone-task-queue/testing';
import type { ServerOrder, ServerReport } from './server-process.js';

const servers = new Map<string, SshServer>();

function report(what: ServerReport): void {
  if (process.connected) process.send?.(what);
}

function named(name: string): SshServer {
  const server = servers.get(name);
  if (!server) throw new Error(`there is no server ${name}`);
  return server;
}

async function obey(order: ServerOrder): Promise<void> {
  if ('open' in order) {
    await Promise.all(order.open.map(async name => servers.set(name, await startSshServer())));
    report({ opened: Object.fromEntries([...servers].map(([name, server]) => [name, server.droneOptions()])) });
  } else if ('kill' in order) {
    const server = named(order.kill);
    await server.pause();
    server.dropConnections();
  } else {
    await named(order.revive).resume();
    report({ revived: order.revive });
  }
}

/** One after the other, in the order they came. */
let obeyed = Promise.resolve();
process.on('message', (order: ServerOrder) => {
  obeyed = obeyed
    .then(() => obey(order))
    .catch((error: unknown) => {
      report({ failed: String(error) });
    });
});

// However the scheduler ends, killed even, the channel to it ends with it.
process.on('disconnect', () => {
  obeyed = obeyed.then(async () => {
    await Promise.all([...servers.values()].map(server => server.close()));
    process.exit();
  });
});
