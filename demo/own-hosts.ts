/**
 * A fleet of this machine and six drones behind SSH servers of the demo's own, with faults as planned:
 *
 * | tick | drone | what happens |
 * |---|---|---|
 * | 3 | web5 | a call of its throws |
 * | 3 | web6 | its server dies while a command runs |
 * | 4 | web6 | its server is still away |
 * | 5 | web6 | its server is back, and what certainly did not run is run |
 */
import { LocalDrone, SshDrone } from 'drone-task-queue';
import { type Fleet, type FleetDrone, INVENTORY, type Inventory, type Outcome } from './fleet.js';
import { forkServers } from './server-process.js';

const NAMES = ['web1', 'web2', 'web3', 'web4', 'web5', 'web6'];
const [THROWS, DIES] = ['web5', 'web6'];
const FAULTY_TICK = 3;
const BACK_TICK = 5;

export async function ownHosts(): Promise<Fleet> {
  const servers = await forkServers(NAMES);
  const sshDrones = NAMES.map(
    name => new SshDrone<Inventory>(name, { ...servers.optionsOf(name), utility: INVENTORY }),
  );
  const drones: FleetDrone[] = [new LocalDrone<Inventory>({ utility: INVENTORY }), ...sshDrones];
  const named = (name: string): FleetDrone => {
    const found = drones.find(({ hostname }) => hostname === name);
    if (!found) throw new Error(`there is no drone ${name}`);
    return found;
  };

  const prepare = async (tick: number): Promise<void> => {
    if (tick === FAULTY_TICK) {
      named(THROWS).queueCall('checkDisk', '/var/tmp');
      named(THROWS).queueCall('run', 'echo cleaning up'); // not started, and so run in the next tick
      // The command itself says when it runs: then, and not before, its server dies.
      const killServer = (): void => {
        servers.kill(DIES);
      };
      named(DIES).with({ onOutput: killServer }).queueCall('run', 'echo running; sleep 60');
      named(DIES).queueCall('inventory');
    }
    if (tick === BACK_TICK) await servers.revive(DIES);
  };

  const planned = (tick: number, { hostname }: FleetDrone): Outcome => {
    if (tick === FAULTY_TICK && hostname === THROWS) return 'call';
    if (tick === FAULTY_TICK && hostname === DIES) return 'lost';
    if (tick > FAULTY_TICK && tick < BACK_TICK && hostname === DIES) return 'unreachable';
    return 'ok';
  };

  return {
    title: `localhost and ${String(NAMES.length)} drones behind real SSH, in process ${String(servers.pid)}`,
    drones,
    prepare,
    planned,
    [Symbol.asyncDispose]: () => servers.close(),
  };
}
