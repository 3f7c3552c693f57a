import diagnostics from 'node:diagnostics_channel';
import type { Log } from '../../report/log.js';
import { events, type HeartbeatEnd } from '../events.js';
import { HttpMasterLink } from '../wire/http-master-link.js';
import { ShardClient } from '../client/shard-client.js';
import { openFarm, statsTarget } from './open-farm.js';
import { readNamedFile } from './named-file.js';
import { type Field, type Settings, UsageError, variableOf } from './settings.js';
import { isThisMachine } from './this-machine.js';

/** `drone-shard client`. Resolves with whether the one heartbeat, or the whole loop, succeeded. */
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
    log.warn('the master is not reached over https: anyone on the network path can read the token');
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
    if (!stop.aborted) return await heartbeatOnce(client, log);
    log.warn('stopped before the heartbeat');
    return false;
  }
  log.info(`${shardHostname} heartbeats to ${url}`);
  try {
    await client.loop();
  } catch {
    // The client has logged why.
    return false;
  }
  log.info(`${shardHostname} has stopped`);
  return true;
}

/** Logs what the heartbeat did: the client itself reports failures only. */
async function heartbeatOnce(client: ShardClient, log: Log): Promise<boolean> {
  let end: HeartbeatEnd | undefined;
  const onEnd = (message: unknown): void => void (end = message as HeartbeatEnd);
  diagnostics.subscribe(events.heartbeatEnd, onEnd);
  const succeeded = await client.doHeartbeat().finally(() => diagnostics.unsubscribe(events.heartbeatEnd, onEnd));
  if (!succeeded || end === undefined) return succeeded;
  const { uploadedJobs, settledJobs, takenRecords, badRecords, tookMs } = end;
  const uploads = `${String(settledJobs)} of ${String(uploadedJobs)} finished jobs uploaded`;
  const records = `${String(takenRecords)} records imported${badRecords === 0 ? '' : `, ${String(badRecords)} not`}`;
  log.info(`the heartbeat succeeded: ${uploads}, ${records}`, {
    uploadedJobs,
    settledJobs,
    takenRecords,
    badRecords,
    tookMs,
  });
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
  if (token !== undefined) throw new UsageError(`tokenFile ${String(settings.tokenFile)} is empty`);
  const where = `in the file tokenFile (${variableOf('tokenFile')}) or in DRONE_SHARD_TOKEN`;
  throw new UsageError(`a client needs its token, ${where}: 'drone-shard token' on the master prints one`);
}
