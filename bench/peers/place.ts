/** What all tools are pointed at: the same drones behind one sshd, the same key, each tool's own configuration files. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SshDroneOptions } from 'drone-task-queue';
import type { Sshd } from '../../test/support/sshd.js';

/** A driver's task, as it lies in a file. */
export interface DriverTask {
  readonly drones: readonly SshDroneOptions[];
  /** For drivers that run `ssh`. */
  readonly sshConfig: string;
}

export interface Place extends AsyncDisposable {
  readonly folder: string;
  readonly hosts: readonly string[];
  /** A host per line. */
  readonly hostsFile: string;
  /** ssh_config without and with a ControlPath. */
  readonly coldConfig: string;
  readonly warmConfig: string;
  controlPath(host: string): string;
  /** The path of a {@link DriverTask}. */
  readonly taskFile: string;
  /** The same for SshDrone's `agent: 'none'`. */
  readonly agentlessTaskFile: string;
}

export async function preparePlace(sshd: Sshd, drones: number): Promise<Place> {
  const hosts = sshd.addresses.slice(0, drones);
  const folder = await mkdtemp(join(tmpdir(), 'drone-peers-'));
  const inFolder = (name: string): string => join(folder, name);
  const [hostsFile, coldConfig, warmConfig] = ['hosts', 'ssh_config', 'ssh_config_warm'].map(inFolder) as [
    string,
    string,
    string,
  ];
  const [taskFile, agentlessTaskFile] = ['task.json', 'agentless.json'].map(inFolder) as [string, string];
  const config = configText(sshd);
  const options = hosts.map(host => sshd.droneOptions(host));
  await mkdir(inFolder('cm'), { mode: 0o700 });
  await writeFile(hostsFile, hosts.map(host => `${host}\n`).join(''));
  await writeFile(coldConfig, config);
  await writeFile(warmConfig, `${config}ControlPath ${inFolder('cm')}/%h\n`);
  await writeFile(taskFile, JSON.stringify({ drones: options, sshConfig: coldConfig }));
  const agentless = options.map(drone => ({ ...drone, agent: 'none' }));
  await writeFile(agentlessTaskFile, JSON.stringify({ drones: agentless, sshConfig: coldConfig }));
  return {
    folder,
    hosts,
    hostsFile,
    coldConfig,
    warmConfig,
    controlPath: host => join(inFolder('cm'), host),
    taskFile,
    agentlessTaskFile,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/**
 * The key exchange is the one that ssh2 and paramiko agree on: OpenSSH's own default costs its client 76 ms of CPU more
 * per connection. No host key is checked, which only the drone-task-queue rows then do.
 */
function configText({ port, user, identity }: Sshd): string {
  return [
    `Port ${String(port)}`,
    `User ${user}`,
    `IdentityFile ${identity}`,
    'IdentitiesOnly yes',
    'StrictHostKeyChecking no',
    'UserKnownHostsFile /dev/null',
    'GlobalKnownHostsFile /dev/null',
    'LogLevel ERROR',
    'BatchMode yes',
    'GSSAPIAuthentication no',
    'KexAlgorithms curve25519-sha256',
    '',
  ].join('\n');
}
