/** What is compared, how each is driven, and where it may be missing. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SshDrone } from 'drone-task-queue';
import type { Command } from './one-shot.js';
import type { Place } from './place.js';

/** A round of calls that do nothing in a process that is there, or of `true` as a process of its own. */
export type Workload = 'no-op' | 'run true';

export interface Tool {
  readonly name: string;
  /** Not by us, and made to be used: not a loop written for this bench. */
  readonly isPeer: boolean;
  /** Why it cannot be measured here; undefined when it can. */
  missing(): string | undefined;
  /** A process that connects to all drones, runs `true` there, and ends. */
  cold?(place: Place): Command;
  /** A process that runs `true` on all drones over ControlMasters. */
  warm?(place: Place): Command;
  /** A driver that keeps its connections, and the workloads it knows. */
  resident?(place: Place): readonly string[];
  readonly workloads?: readonly Workload[];
}

/** Debian's, which has mitogen and fabric; another one on the PATH may have neither. */
const PYTHON = '/usr/bin/python3';
const pathOf = (driver: string): string => fileURLToPath(new URL(driver, import.meta.url));
const node = (driver: string): string[] => [process.execPath, pathOf(driver)];
const python = (driver: string): string[] => [PYTHON, '-B', pathOf(driver)];

const fails = (program: string, ...args: readonly string[]): boolean =>
  spawnSync(program, args, { stdio: 'ignore' }).status !== 0;
const unlessPrograms =
  (...programs: readonly string[]) =>
  (): string | undefined => {
    const absent = programs.filter(program => fails('sh', '-c', 'command -v "$0"', program));
    return absent.length > 0 ? `no program ${absent.join(', ')}` : undefined;
  };
const unlessModule = (module: string) => (): string | undefined =>
  fails(PYTHON, '-c', `import ${module}`) ? `no ${PYTHON} with a module ${module}` : undefined;

/** xargs stops at no failure but tells of it. */
const xargs = (config: string, { hostsFile }: Place): Command => ({
  words: ['xargs', '-a', hostsFile, '-P', '32', '-I{}', 'ssh', '-F', config, '{}', 'true'],
});
const pssh = (config: string, { hostsFile }: Place): Command => ({
  words: ['parallel-ssh', '-h', hostsFile, '-p', '32', '-t', '60', '-x', `-F ${config}`, 'true'],
});
const clush = (config: string, { hostsFile }: Place): Command => ({
  words: ['clush', '-S', '-f', '64', '-o', `-F ${config}`, '--hostfile', hostsFile, 'true'],
});
const ansible = (config: string, { hostsFile, folder }: Place, sshArgs = ''): Command => ({
  words: ['ansible', '-i', hostsFile, 'all', '-f', '50', '-m', 'raw', '-a', 'true'],
  env: {
    ANSIBLE_SSH_ARGS: `-F ${config}${sshArgs}`,
    ANSIBLE_HOME: `${folder}/ansible`,
    ANSIBLE_LOCAL_TEMP: `${folder}/ansible/tmp`,
    ANSIBLE_HOST_KEY_CHECKING: 'False',
    ANSIBLE_LOCALHOST_WARNING: 'False',
  },
});
/** A driver with the argument `once` does one round of `true` and ends. */
const once = (words: readonly string[], taskFile: string): Command => ({ words: [...words, taskFile, 'once'] });

export const OURS = 'drone-task-queue';
export const OURS_AGENTLESS = "drone-task-queue, agent: 'none'";
export const BY_HAND = 'ssh2 by hand';
export const XARGS = 'xargs -P 32 ssh';
export const PSSH = 'pssh -p 32';
export const MITOGEN = 'Mitogen';

export const tools: readonly Tool[] = [
  {
    name: OURS,
    isPeer: false,
    missing: () => undefined,
    cold: place => once(node('./programs/queue-driver.js'), place.taskFile),
    resident: place => [...node('./programs/queue-driver.js'), place.taskFile],
    workloads: ['no-op', 'run true'],
  },
  {
    name: OURS_AGENTLESS,
    isPeer: false,
    missing: () => {
      try {
        const options: object = { agent: 'none' };
        new SshDrone('drone', options);
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    },
    cold: place => once(node('./programs/queue-driver.js'), place.agentlessTaskFile),
    resident: place => [...node('./programs/queue-driver.js'), place.agentlessTaskFile],
    workloads: ['run true'],
  },
  {
    name: BY_HAND,
    isPeer: false,
    missing: () => undefined,
    cold: place => once(node('./programs/ssh2-driver.js'), place.taskFile),
    resident: place => [...node('./programs/ssh2-driver.js'), place.taskFile],
    workloads: ['no-op', 'run true'],
  },
  {
    name: XARGS,
    isPeer: true,
    missing: unlessPrograms('xargs', 'ssh'),
    cold: place => xargs(place.coldConfig, place),
    warm: place => xargs(place.warmConfig, place),
  },
  {
    name: PSSH,
    isPeer: true,
    missing: unlessPrograms('parallel-ssh', 'ssh'),
    cold: place => pssh(place.coldConfig, place),
    warm: place => pssh(place.warmConfig, place),
  },
  {
    name: 'clush -f 64',
    isPeer: true,
    missing: unlessPrograms('clush', 'ssh'),
    cold: place => clush(place.coldConfig, place),
    warm: place => clush(place.warmConfig, place),
  },
  {
    name: 'Ansible raw -f 50',
    isPeer: true,
    missing: unlessPrograms('ansible', 'ssh'),
    // Or it would make masters of its own.
    cold: place => ansible(place.coldConfig, place, ' -o ControlMaster=no'),
    warm: place => ansible(place.warmConfig, place),
  },
  {
    name: 'Fabric ThreadingGroup',
    isPeer: true,
    missing: unlessModule('fabric'),
    cold: place => once(python('./programs/fabric-driver.py'), place.taskFile),
    resident: place => [...python('./programs/fabric-driver.py'), place.taskFile],
    workloads: ['run true'],
  },
  {
    name: MITOGEN,
    isPeer: true,
    missing: unlessModule('mitogen.master'),
    cold: place => once(python('./programs/mitogen-driver.py'), place.taskFile),
    resident: place => [...python('./programs/mitogen-driver.py'), place.taskFile],
    workloads: ['no-op', 'run true'],
  },
];
