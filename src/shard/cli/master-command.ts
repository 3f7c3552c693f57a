/** `drone-shard master`: a master with its own server. */
import type { TlsOptions } from 'node:tls';
import type { fastify as Fastify, FastifyInstance } from 'fastify';
import { onAbort } from '../../wait/abort.js';
import type { Log } from '../../report/log.js';
import { loadPackage } from '../../option/optional-package.js';
import { StoreError } from '../../store/store-error.js';
import { ShardMaster } from '../master/shard-master.js';
import { shardRoutes } from '../wire/shard-routes.js';
import { Connections } from './connections.js';
import { openFarm, statsTarget } from './open-farm.js';
import { readNamedFile } from './named-file.js';
import { type Settings, UsageError } from './settings.js';
import { isThisMachine } from './this-machine.js';

/** Reachable from this machine only. */
const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 8490;
/** Time for a whole packet to arrive, which is how long a shard waits for its reply. */
const REQUEST_TIMEOUT_MS = 300_000;
/** Time for running requests at the end. */
const CLOSE_GRACE_MS = 30_000;

export async function runMaster(settings: Settings, log: Log, stop: AbortSignal): Promise<void> {
  const { host = DEFAULT_HOST, port = DEFAULT_PORT } = settings;
  const { maxPacketBytes, heartbeatsPerMinute, maxJobsPerReply, maxHostsPerReply } = settings;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new UsageError(`port is ${String(port)}, not an integer from 0 to 65535`);
  }
  const { default: fastify } = await loadPackage('fastify', 'drone-shard master', () => import('fastify'), StoreError);
  const app = newServer(fastify, await readTls(settings, log), settings.trustProxy);
  const connections = new Connections(app);
  await using store = await openFarm(settings, log);
  const reports = { name: 'master', stats: statsTarget(settings), log };
  await using master = new ShardMaster(store, { maxJobsPerReply, maxHostsPerReply, ...reports });
  await app.register(shardRoutes(master, { maxPacketBytes, heartbeatsPerMinute, ...reports }));
  if (settings.certFile === undefined && !isThisMachine(host)) {
    log.warn("without certFile and keyFile, anyone on the network path can read the shards' tokens");
  }
  try {
    const url = await app.listen({ host, port });
    process.stdout.write(`listening on ${url}\n`);
    log.info(`the master listens on ${url}`);
    await new Promise<void>(resolve => onAbort(stop, () => resolve()));
  } finally {
    const cutOff = await connections.close(CLOSE_GRACE_MS);
    if (cutOff > 0) log.warn(`unfinished requests were cut off: ${String(cutOff)}`);
  }
  log.info('the master has stopped');
}

async function readTls(settings: Settings, log: Log): Promise<TlsOptions | undefined> {
  const cert = await readNamedFile(settings, 'certFile', log);
  const key = await readNamedFile(settings, 'keyFile', log);
  const ca = await readNamedFile(settings, 'caFile', log);
  if (cert !== undefined && key !== undefined) {
    // With an authority named, shards need a certificate of it.
    return ca === undefined ? { cert, key } : { cert, key, ca, requestCert: true, rejectUnauthorized: true };
  }
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (ca !== undefined)
    throw new UsageError('caFile, the authority of the shard certificates, needs certFile and keyFile');
  throw new UsageError('certFile and keyFile must be given together');
}

/** Not async: a Fastify server is a thenable, and awaiting it starts it. */
function newServer(
  fastify: typeof Fastify,
  tls: TlsOptions | undefined,
  trustProxy: string | undefined,
): FastifyInstance {
  const options = { requestTimeout: REQUEST_TIMEOUT_MS, ...(trustProxy !== undefined && { trustProxy }) };
  const plain = orUsageError('trustProxy is not a list of IP addresses and networks', () => fastify(options));
  if (tls === undefined) return plain;
  return orUsageError('certFile, keyFile and caFile cannot be used for TLS', () => fastify({ ...options, https: tls }));
}

function orUsageError(what: string, make: () => FastifyInstance): FastifyInstance {
  try {
    return make();
  } catch (error) {
    throw new UsageError(`${what}: ${(error as Error).message}`);
  }
}
