/** A master without a store, for tests of what carries heartbeats. */
import type { HeartbeatMaster, HeartbeatPacket, HeartbeatReply } from 'drone-task-queue/shard';

export const emptyPacket: HeartbeatPacket = {
  version: 1,
  shardHostname: 'shard-1',
  knownJobIds: [],
  knownHosts: [],
  jobs: [],
  entries: [],
};

export const emptyReply: HeartbeatReply = {
  version: 1,
  hosts: [],
  jobs: [],
  jobKeyvals: [],
  incorrectHostIds: [],
  acknowledgedJobIds: [],
  refused: [],
};

/** The token of `shard-1` is `token-1`, and so on. */
export class FakeMaster implements HeartbeatMaster {
  readonly heard: { readonly shardHostname: string; readonly packet: HeartbeatPacket }[] = [];
  reply: () => unknown = () => emptyReply;

  async heartbeat(shardHostname: string, packet: HeartbeatPacket): Promise<HeartbeatReply> {
    this.heard.push({ shardHostname, packet });
    return (await this.reply()) as HeartbeatReply;
  }

  async hostnameOfToken(token: string): Promise<string | undefined> {
    const number = /^token-(\d+)$/.exec(token)?.[1];
    return number === undefined ? undefined : `shard-${number}`;
  }
}
