// `npm run demo`: a scheduler ticks over this machine and six hosts behind real SSH. One call throws; one host dies in the
// middle of a command and comes back. An audit checks that every batch ends as planned and that no call is lost. Exit
// status 1 means that the audit failed, 2 that the arguments are wrong.
import { constants } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { AnyDrone, Call, DroneErrorKind, DroneResults, RunResult } from 'drone-task-queue';
import { DroneTaskQueueException, events, LocalDrone, SshDrone, subscribe, ThreadedTaskQueue } from 'drone-task-queue';
import { TickLoop } from 'drone-task-queue/scheduler';
import { startSshServer } from 'drone-task-queue/testing';

const USAGE = `npm run demo [-- options]

Without --host, the drones are this machine and six SSH servers in the demo's own process; two of those fail as planned.

  --host [user@]host[:port]  a drone to use instead; repeatable; 'localhost' alone is this machine, without SSH
  --identity path            private key for all hosts; default: the keys in ssh-agent
  --known-hosts path         host keys of all hosts; default: ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts
  --agent-command text       command that starts Node on the hosts; default: node
  --ticks n                  number of ticks; default: 6

SIGUSR2 shows the drones in flight. SIGINT or SIGTERM cancels the round, shows the results so far and closes the queue; a
second one ends the demo at once.`;

const args = readArguments();
const drones = args.hosts.map(givenDrone);
const servers = await Promise.all(Array.from({ length: drones.length > 0 ? 0 : 6 }, () => startSshServer()));
if (servers.length > 0) drones.push(new LocalDrone());
for (const [at, server] of servers.entries()) drones.push(new SshDrone(`web${at + 1}`, server.droneOptions()));
const names = drones.map(({ hostname }) => hostname);
if (new Set(names).size < names.length) refuse(`--host: one host is given twice: ${names.join(', ')}`);

const queue = new ThreadedTaskQueue({ name: 'demo', leftovers: 'drop' }); // each tick queues its calls anew

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(128 + constants.signals[name]); // the agents end with their connections
    console.log(`demo: ${name}, cancelling the round; a second signal ends the demo at once`);
    stop.abort(new Error(`the demo was ended by ${name}`));
  });
}
process.on('SIGUSR2', () => {
  console.log(`demo: SIGUSR2, ${queue.inFlight().length} drones in flight`);
  for (const { drone, phase, inPhaseMs, call } of queue.inFlight()) {
    const next = call ? `, next is ${call.toString()}` : '';
    console.log(`  ${drone.hostname}: in phase ${phase} for ${inPhaseMs.toFixed(0)} ms${next}`);
  }
});
subscribe(events.workerFinish, ({ hostname, calls, tookMs }) => {
  console.log(`  ${hostname}: ok, ${calls} calls in ${tookMs.toFixed(0)} ms`);
});
subscribe(events.workerException, ({ hostname, error }) => {
  console.log(`  ${hostname}: ${error.message}`);
});

// For the audit: the echoes without an answer so far, and what the summary shows.
let awaited: { readonly drone: AnyDrone; readonly text: string; readonly call: Call<RunResult> }[] = [];
const outcomes: string[] = [];
const problems: string[] = [];
let answers = 0;

console.log(`drone-task-queue demo: ${names.join(', ')}`);
const startedAtMs = performance.now();
const loopDelay = monitorEventLoopDelay({ resolution: 1 }); // our own SSH servers work on this loop, too
loopDelay.enable();
const loop = new TickLoop(
  async ({ tick }) => {
    for (const drone of drones) {
      const text = `tick ${tick} on ${drone.hostname}`;
      awaited.push({ drone, text, call: drone.queueCall('run', `echo '${text}'`) });
      drone.queueCall('run', 'uname -sr');
    }
    const planned = await sabotage(tick);
    const round = await execute(tick);
    if (round instanceof DroneTaskQueueException) showFailures(round);
    audit(`tick ${tick}`, round, planned);
  },
  { name: 'demo', pauseMs: 200, maxTicks: args.ticks, onError: 'stop', signals: false, signal: stop.signal },
);
await loop.run();
await queue.close();
const tookMs = performance.now() - startedAtMs;
await Promise.all(servers.map(server => server.close()));

const count = (kind: string): number => outcomes.filter(outcome => outcome === kind).length;
const kinds = [...new Set(outcomes)].filter(outcome => outcome !== 'ok').map(kind => `${count(kind)} ${kind}`);
console.log(
  `\n${loop.ticks} ticks, ${count('ok')} of ${outcomes.length} batches ok ` +
    `(${kinds.length > 0 ? `failures: ${kinds.join(', ')}` : 'no failure'}), ${answers} calls answered ` +
    `in ${tookMs.toFixed(0)} ms; main-loop delay at most ${(loopDelay.max / 1e6).toFixed(1)} ms`,
);
console.log(problems.length > 0 ? ['Not as planned:', ...problems].join('\n  ') : 'Everything went as planned.');
if (problems.length > 0) process.exitCode = 1;

/** Breaks some of our own drones, and returns how their batches will fail. All other batches are to end well. */
async function sabotage(tick: number): Promise<Record<string, DroneErrorKind>> {
  const [web5, web6] = drones.slice(-2);
  const server = servers.at(-1);
  if (!web5 || !web6 || !server) return {};
  if (tick === 3) {
    web5.queueCall('copyFileOrDirectory', '/no-such-directory/file', '/tmp/copy');
    web5.queueCall('run', 'echo cleaning up'); // does not start after a failure; see showFailures
    // The server dies as soon as the command is known to run.
    const onOutput = (): Promise<void> => server.pause().then(() => server.dropConnections());
    web6.with({ onOutput }).queueCall('run', 'echo running; sleep 60');
    web6.queueCall('run', 'echo done');
    return { web5: 'call', web6: 'lost' };
  }
  if (tick === 5) await server.resume();
  return tick === 4 ? { web6: 'unreachable' } : {};
}

/** Odd ticks wait for the results. Even ticks start the round, do other work, and fetch the results then. */
async function execute(tick: number): Promise<DroneResults | DroneTaskQueueException> {
  const wait = tick % 2 === 1;
  console.log(`\ntick ${tick}, execute with wait: ${wait}`);
  try {
    const results = await queue.execute(drones, { wait, signal: stop.signal });
    if (results) return results;
    let turns = 0;
    for (; queue.inFlight().length > 0; await pause(1)) turns++; // a scheduler does its own work here
    console.log(`  the scheduler had ${turns} turns of its own meanwhile`);
    return await queue.getResults();
  } catch (error) {
    if (error instanceof DroneTaskQueueException) return error; // it holds the results of all other drones, too
    throw error;
  }
}

/** Shows why drones failed, and what became of their calls. */
function showFailures({ name, code, message, failures, results }: DroneTaskQueueException): void {
  console.log(`\n${name} (${code}), with the results of ${results.size} other drones:`);
  console.log(message.replace(/^/gm, '  '));
  for (const [drone, { hostname, kind, completed, mayHaveRun, notStarted }] of failures) {
    console.log(`  ${hostname}: ${completed.length} completed`);
    for (const call of mayHaveRun) console.log(`    may have run: ${call.toString()}`);
    const isKept = kind === 'call';
    for (const call of notStarted)
      console.log(`    not started, ${isKept ? 'queued again' : 'dropped'}: ${call.toString()}`);
    if (isKept) drone.requeue(notStarted);
  }
}

/** Compares a round with the plan. An echo was dropped or queued again, or may have run, or has its answer here. */
function audit(tick: string, round: DroneResults | DroneTaskQueueException, planned: Record<string, string>): void {
  const { failures, results } = round instanceof Map ? { failures: undefined, results: round } : round;
  for (const drone of drones) {
    const failure = failures?.get(drone);
    const values = failure?.completed ?? results.get(drone);
    const outcome = failure?.kind ?? (values ? 'ok' : 'no outcome');
    const expected = stop.signal.aborted && outcome === 'cancelled' ? outcome : (planned[drone.hostname] ?? 'ok');
    if (outcome !== expected) problems.push(`${tick}, ${drone.hostname}: ${outcome} instead of ${expected}`);
    outcomes.push(outcome);
    answers += values?.length ?? 0;
  }
  awaited = awaited.filter(({ drone, text, call }) => {
    if (drone.getCalls().includes(call)) return true;
    const { mayHaveRun = [], notStarted = [] } = failures?.get(drone) ?? {};
    if (mayHaveRun.includes(call) || notStarted.includes(call)) return false;
    const { stdout } = call.valueIn(round); // throws when the call is lost
    if (stdout !== `${text}\n`) problems.push(`${tick}, ${drone.hostname}: '${stdout}' instead of '${text}'`);
    return false;
  });
}

function readArguments() {
  const text = { type: 'string' } as const;
  const ssh = { identity: text, 'known-hosts': text, 'agent-command': text };
  const options = { ...ssh, host: { ...text, multiple: true }, ticks: text, help: { type: 'boolean' } } as const;
  try {
    const { host = [], ticks = '6', help, ...given } = parseArgs({ options }).values;
    if (help) {
      console.log(USAGE);
      process.exit();
    }
    const [first] = Object.keys(given);
    if (first && host.length === 0) refuse(`--${first} is for hosts given with --host, and there are none`);
    if (!/^[1-9]\d{0,3}$/.test(ticks)) refuse(`--ticks: expected a whole number from 1 to 9999, got '${ticks}'`);
    return { hosts: host, ticks: Number(ticks), ...given };
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function givenDrone(text: string): LocalDrone | SshDrone {
  if (text === 'localhost') return new LocalDrone();
  const parts = /^(?:([^@\s]+)@)?(?:\[([^\]@\s]+)\]|([^:[\]@/\s]+))(?::(\d+))?$/.exec(text);
  const [, user, ipv6, host = ipv6, port = '22'] = parts ?? [];
  if (!host || Number(port) < 1 || Number(port) > 65_535) refuse(`--host: expected [user@]host[:port], got '${text}'`);
  const { identity, 'known-hosts': knownHosts, 'agent-command': agentCommand } = args;
  return new SshDrone(host, { user, port: Number(port), identity, knownHosts, agentCommand });
}

function refuse(why: string): never {
  console.error(`demo: ${why} (see --help)`);
  process.exit(2);
}
