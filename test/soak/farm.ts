/** A hundred drones on a real sshd, each with a ledger of its own; some behind bad networks, some behind a jump host. */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type Drone, SshDrone, type SshDroneOptions, type UtilityMethods } from 'drone-task-queue';
import { type Sshd, startSshd } from '../support/sshd.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import type * as ownMethods from './own-methods.js';

export const DRONES = 100;
/** Of ten drones, by the last digit of their number; an odd one is behind a proxy. */
const WITHOUT_AGENT = [3, 6, 9];
const BEHIND_JUMP_HOST = 4;

export type SoakDrone = Drone<UtilityMethods & typeof ownMethods>;

export interface Member {
  readonly drone: SoakDrone;
  readonly hasAgent: boolean;
  /** Its own directory; the drone's user may write there. */
  readonly folder: string;
  readonly ledger: string;
  /** The network in front of it. */
  readonly proxy: TcpProxy | undefined;
  /** Plain data to reach it by from another process; undefined behind the jump host. */
  readonly options: SshDroneOptions | undefined;
  /** Of commands that it runs in the background. */
  readonly detached: Set<number>;
}

export interface Farm extends AsyncDisposable {
  /** In the command line or the environment of all that runs on the drones. */
  readonly marker: string;
  readonly folder: string;
  readonly sshd: Sshd;
  readonly members: readonly Member[];
  /** Of the members and of the jump host. */
  readonly proxies: readonly { readonly name: string; readonly proxy: TcpProxy }[];
}

export async function makeFarm(): Promise<Farm> {
  const sshd = await startSshd({}, DRONES + 1);
  const folder = await mkdtemp(join(tmpdir(), 'drone-soak-'));
  const marker = basename(folder);
  await chmod(folder, 0o755);
  const knownHosts = join(folder, 'known_hosts');
  await writeFile(knownHosts, await anyAddress(sshd));
  const utility = new URL('./own-methods.js', import.meta.url);
  const proxies: Farm['proxies'][number][] = [];
  const behindProxy = async (name: string, address: string): Promise<TcpProxy> => {
    const proxy = await startTcpProxy({ host: address, port: sshd.port });
    proxies.push({ name, proxy });
    return proxy;
  };
  const { agentCommand = 'node', ...ways } = sshd.droneOptions();
  const common = {
    ...ways,
    knownHosts,
    agentCommand: `env SOAK=${marker} ${agentCommand}`,
    env: { SOAK: marker },
  } satisfies SshDroneOptions;
  const jumpProxy = await behindProxy('jump host', sshd.addresses[DRONES] ?? '');
  const jumpHost = new SshDrone('jump', { ...common, host: '127.0.0.1', port: jumpProxy.port });

  const member = async (address: string, at: number): Promise<Member> => {
    const hostname = `d${String(at)}`;
    const digit = at % 10;
    const hasAgent = !WITHOUT_AGENT.includes(digit);
    const proxy = digit % 2 === 1 ? await behindProxy(hostname, address) : undefined;
    const place = proxy ? { host: '127.0.0.1', port: proxy.port } : { host: address };
    const options = { ...common, ...place, agent: hasAgent ? 'node' : 'none' } satisfies SshDroneOptions;
    const own = join(folder, hostname);
    await mkdir(own);
    await chmod(own, 0o777);
    const ledger = join(own, 'ledger');
    await writeFile(ledger, '');
    await chmod(ledger, 0o666);
    const isBehind = digit === BEHIND_JUMP_HOST;
    const drone = new SshDrone<typeof ownMethods>(hostname, {
      ...options,
      ...(hasAgent ? { utility } : {}),
      ...(isBehind ? { via: jumpHost } : {}),
    });
    const detached = new Set<number>();
    return { drone, hasAgent, folder: own, ledger, proxy, options: isBehind ? undefined : options, detached };
  };

  return {
    marker,
    folder,
    sshd,
    members: await Promise.all(sshd.addresses.slice(0, DRONES).map(member)),
    proxies,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(proxies.map(({ proxy }) => proxy[Symbol.asyncDispose]()));
      await sshd.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** The servers' keys under whatever address and port a proxy stands for them. */
async function anyAddress(sshd: Sshd): Promise<string> {
  const lines = (await readFile(sshd.knownHosts, 'utf8')).trimEnd().split('\n');
  return lines.map(line => `[127.0.*]:* ${line.slice(line.indexOf(' ') + 1)}\n`).join('');
}
