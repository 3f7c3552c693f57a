// ssh2 by hand, on the main thread: a channel per command, and the same agent for calls that do nothing.
import { BareAgent, openBareAgents } from '../../programs/bare-agent.js';
import { drive } from './driver.js';

const AT_ONCE = 16;

await drive(async (drones, once) => {
  const agents = once ? drones.map(() => new BareAgent()) : await openBareAgents(drones, AT_ONCE);
  const runTrue = () => Promise.all(agents.map(agent => agent.run('true')));
  return {
    rounds: {
      'no-op': () => Promise.all(agents.map(agent => agent.noOp())),
      'run true': once ? () => connectAndRun(agents, drones) : runTrue,
    },
    close: () => Promise.all(agents.map(agent => agent.end())),
  };
});

/** @param {readonly BareAgent[]} agents @param {readonly import('drone-task-queue').SshDroneOptions[]} drones */
async function connectAndRun(agents, drones) {
  const left = agents.map((agent, at) => ({ agent, drone: drones[at] ?? {} }));
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      await next.agent.connect(next.drone);
      await next.agent.run('true');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
