// One command on six hosts over real SSH, side by side, three rounds long. The hosts are SSH servers in this process.
import { SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { startSshServer } from 'drone-task-queue/testing';

const servers = await Promise.all(Array.from({ length: 6 }, () => startSshServer()));
// Your own host: new SshDrone('web1.example.org', { user: 'deploy', identity: '~/.ssh/id_ed25519' })
const drones = servers.map((server, at) => new SshDrone(`web${String(at + 1)}`, server.droneOptions()));
const queue = new ThreadedTaskQueue({ name: 'fan_out', threads: 2 });

for (let round = 1; round <= 3; round++) {
  const calls = drones.map(drone => ({ drone, greeting: drone.queueCall('run', `echo hello from ${drone.hostname}`) }));
  const startedAtMs = performance.now();
  const results = await queue.execute(drones);
  const tookMs = performance.now() - startedAtMs;
  console.log(`round ${String(round)}: ${String(results.size)} drones in ${tookMs.toFixed(0)} ms`);
  if (round > 1) continue;
  for (const { drone, greeting } of calls)
    console.log(`  ${drone.hostname}: ${greeting.valueIn(results).stdout.trim()}`);
}

// Connections and agents stay warm between rounds.
const connects = servers.reduce((sum, server) => sum + server.connects, 0);
console.log(`connections opened: ${String(connects)}`);

await queue.close();
await Promise.all(servers.map(server => server.close()));
