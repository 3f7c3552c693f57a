/** `drone-shard client`: heartbeats. */
import type { Log } from '../../report/log.js';
import { HttpMasterLink } from '../wire/http-master-link.js';
import { ShardClient } from '../client/shard-client.js';
import { openFarm, statsTarget } from './open-farm.js';
import { readNamedFile } from './named-file.js';
import { type Field, type Settings, variableOf } from './settings.js';
import { isThisMachine } from './this-machine.js';
import { UsageError } from './usage-error.js';

/** Resolves with whether all went well: of one heartbeat with `once`, else in the end. */
export async function runClient(settings: Settings, once: boolean, log: Log, stop: AbortSignal): Promise<boolean> {
  const shardHostname = needed(settings, 'shardHostname', 'the hostname that the master knows this shard by');
  const url = needed(settings, 'masterUrl', 'where the master listens, such as https://farm.example:8490');
  const { timeoutMs, maxReplyBytes, pauseMs, maxBackoffMs, maxUploadJobs, maxUploadBytes, lifetimeMs } = settings;
  const tls = {
    ca: await readNamedFile(settings, 'caFile', log),
    cert: await readNamedFile(settings, 'certFile', log),
    key: await readNamedFile(settings, 'keyFile', log),
  };
  await using link = new HttpMasterLink({ url, token: await tokenOf(settings, log), timeoutMs, maxReplyBytes, tls });
  const { protocol, hostname } = new URL(url);
  if (protocol === 'http:' && !isThisMachine(hostname)) {
    log.warn('the master is not reached over https: whoever is on the way can read the token');
  }
  await using store = await openFarm(settings, log);
  const client = new ShardClient(store, link, {
    shardHostname,
    pauseMs,
    maxBackoffMs,
    maxUploadJobs,
    maxUploadBytes,
    lifetimeMs,
    name: 'shard',
    stats: statsTarget(settings),
    log,
    signals: false,
    signal: stop,
  });
  if (once) {
    if (!stop.aborted) return await client.doHeartbeat();
    log.warn('stopped before the heartbeat');
    return false;
  }
  log.info(`${shardHostname} heartbeats to ${url}`);
  try {
    await client.loop();
  } catch {
    // It has told why.
    return false;
  }
  log.info(`${shardHostname} has stopped`);
  return true;
}

function needed(settings: Settings, field: 'shardHostname' | 'masterUrl', what: string): string {
  const value = settings[field];
  if (value === undefined)
    throw new UsageError(`a client needs ${field} (${variableOf(field satisfies Field)}): ${what}`);
  return value;
}

async function tokenOf(settings: Settings, log: Log): Promise<string> {
  const token = settings.token ?? (await readNamedFile(settings, 'tokenFile', log))?.trim();
  if (token) return token;
  const where = `in the file tokenFile (${variableOf('tokenFile')}) or in DRONE_SHARD_TOKEN`;
  throw new UsageError(`a client needs its token, ${where}: 'drone-shard token' on the master prints one`);
}
