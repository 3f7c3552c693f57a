/** `drone-shard master`: a master behind a server of its own. */
import type { fastify as Fastify, FastifyInstance } from 'fastify';
import type { Log } from '../../log.js';
import { loadPackage } from '../../store/optional-package.js';
import { ShardMaster } from '../shard-master.js';
import { shardRoutes } from '../shard-routes.js';
import { openFarm } from './farm-store.js';
import { readNamedFile } from './named-file.js';
import type { Settings } from './settings.js';
import { aborted } from './stop.js';
import { UsageError } from './usage-error.js';

/** This machine only, until somebody says otherwise. */
const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 8490;
/** For a whole packet to arrive: as long as a shard waits for its reply. */
const REQUEST_TIMEOUT_MS = 300_000;

export async function runMaster(settings: Settings, log: Log, stop: AbortSignal): Promise<void> {
  const { host = DEFAULT_HOST, port = DEFAULT_PORT } = settings;
  const { maxPacketBytes, heartbeatsPerMinute, maxJobsPerReply, maxHostsPerReply } = settings;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new UsageError(`port is ${String(port)}, not an integer from 0 to 65535`);
  }
  const { default: fastify } = await loadPackage('fastify', 'drone-shard master', () => import('fastify'));
  const app = newServer(fastify, await readTls(settings));
  await using store = await openFarm(settings, log);
  const master = new ShardMaster(store, { maxJobsPerReply, maxHostsPerReply, log });
  await app.register(shardRoutes(master, { maxPacketBytes, heartbeatsPerMinute, log }));
  if (settings.certFile === undefined && !/^(localhost|127\.|::1$)/.test(host)) {
    log.warn("without certFile and keyFile, whoever is on the way can read the shards' tokens");
  }
  try {
    const url = await app.listen({ host, port });
    process.stdout.write(`listening on ${url}\n`);
    log.info(`the master listens on ${url}`);
    await aborted(stop);
  } finally {
    await app.close();
  }
  log.info('the master has stopped');
}

interface ServerTls {
  readonly cert: string;
  readonly key: string;
}

async function readTls(settings: Settings): Promise<ServerTls | undefined> {
  const cert = await readNamedFile(settings, 'certFile');
  const key = await readNamedFile(settings, 'keyFile');
  if (cert !== undefined && key !== undefined) return { cert, key };
  if (cert === undefined && key === undefined) return undefined;
  throw new UsageError('certFile and keyFile are needed both, or none');
}

/** Not async: a server of Fastify's is a thenable, and to wait for it is to start it. */
function newServer(fastify: typeof Fastify, tls: ServerTls | undefined): FastifyInstance {
  const options = { requestTimeout: REQUEST_TIMEOUT_MS };
  if (tls === undefined) return fastify(options);
  try {
    return fastify({ ...options, https: { ...tls } });
  } catch (error) {
    throw new UsageError(`certFile and keyFile do not make TLS: ${(error as Error).message}`);
  }
}
