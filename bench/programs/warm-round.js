// A warm round of calls that do nothing, on drones behind a real sshd: by ThreadedTaskQueue, by ssh2 by hand with the same
// agent, and by ssh2 with a command on a new channel per call.
import { SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { openBareAgents } from './bare-agent.js';
import { serve, timeRounds } from './program.js';

const THREADS = 2;
const AT_ONCE = 12;
const ROUNDS_PER_RUN = 10;
const WARM_UP_ROUNDS = 20;
/** Slower by far: fewer will do. */
const EXEC_ROUNDS_PER_RUN = 1;

serve(
  /** @param {{ hosts: import('drone-task-queue').SshDroneOptions[], runs: number }} task */
  async ({ hosts, runs }) => {
    const queue = new ThreadedTaskQueue({ threads: THREADS, connectTimeoutMs: 60_000 });
    const drones = hosts.map((host, at) => new SshDrone(`drone${at}`, host));
    const round = () => {
      for (const drone of drones) drone.queueCall('killProcesses', []);
      return queue.execute(drones);
    };
    await round();
    const agents = await openBareAgents(hosts, AT_ONCE);
    const bareRound = () => Promise.all(agents.map(agent => agent.noOp()));
    const execRound = () => Promise.all(agents.map(agent => agent.run('true')));

    await timeRounds(hosts.length, WARM_UP_ROUNDS, round);
    await timeRounds(hosts.length, WARM_UP_ROUNDS, bareRound);
    await timeRounds(hosts.length, 1, execRound);
    /** @type {Record<'queue' | 'bare' | 'exec', { wallUs: number, cpuUs: number }[]>} */
    const report = { queue: [], bare: [], exec: [] };
    for (let run = 0; run < runs; run++) {
      report.queue.push(await timeRounds(hosts.length, ROUNDS_PER_RUN, round));
      report.bare.push(await timeRounds(hosts.length, ROUNDS_PER_RUN, bareRound));
      report.exec.push(await timeRounds(hosts.length, EXEC_ROUNDS_PER_RUN, execRound));
    }
    await Promise.all(agents.map(agent => agent.end()));
    await queue.close();
    return report;
  },
);
