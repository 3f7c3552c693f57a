// The same agent without us: ssh2 by hand, one channel per drone, on the main thread.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import ssh2 from 'ssh2';
import { MarkerSearch, newAgentStart } from '../../dist/queue/thread/agent-start.js';
import { encode } from '../../dist/queue/wire/codec/codec.js';
import { FrameReader, FrameWriter } from '../../dist/queue/wire/frames.js';
import { FrameType, writeCall } from '../../dist/queue/wire/messages.js';

/** @typedef {import('drone-task-queue').SshDroneOptions} SshDroneOptions */

const SETTINGS = {
  killGraceMs: 2000,
  linkSilenceMs: 120_000,
};
const NO_OP = {
  streams: false,
  isKill: false,
  wantsTotal: false,
  timeoutMs: 60_000,
  method: 'killProcesses',
  utility: '',
  args: encode([[]]),
};

export class BareAgent {
  #client = new ssh2.Client();
  #batch = 0;
  /** @type {(() => void) | undefined} */
  #answered;
  /** @type {import('ssh2').ClientChannel | undefined} */
  #channel;

  /** @param {SshDroneOptions} options */
  async connect({ host = 'localhost', port = 22, user, identity }) {
    const privateKey = await readFile(String(identity));
    const sock = connect({ host, port, noDelay: true });
    await new Promise((resolve, reject) => {
      this.#client
        .once('ready', () => resolve(undefined))
        .once('error', reject)
        // Loopback only, with keys made for this run.
        .connect({ sock, username: String(user), privateKey, readyTimeout: 60_000, authHandler: ['publickey'] });
    });
  }

  /** Connects, and starts the agent. @param {SshDroneOptions} options */
  async open(options) {
    await this.connect(options);
    const { host = 'localhost', agentCommand = 'node', env } = options;
    const start = await newAgentStart({ transport: 'ssh', key: '', hostname: host, env }, SETTINGS);
    const channel = await this.#exec(`exec ${agentCommand} -e '${start.loader}' ${start.marker}`);
    this.#channel = channel;
    const search = new MarkerSearch(start.marker);
    let found = false;
    await new Promise((resolve, reject) => {
      const reader = new FrameReader(type => {
        if (type === FrameType.Ready) resolve(undefined);
        else if (type === FrameType.Value) this.#answered?.();
      });
      channel.on('data', (/** @type {Buffer} */ chunk) => {
        const frames = found ? chunk : search.push(chunk);
        if (frames === undefined) return;
        found = true;
        reader.push(frames);
      });
      channel.once('close', () => {
        reject(new Error('the agent ended'));
      });
      channel.stderr.resume();
      channel.write(start.input);
    });
  }

  /** One call of the agent that does nothing. */
  noOp() {
    /** @type {Promise<void>} */
    const answered = new Promise(resolve => {
      this.#answered = resolve;
    });
    const writer = new FrameWriter(128);
    writeCall(writer, ++this.#batch, 0, NO_OP);
    this.#channel?.write(writer.whole);
    return answered;
  }

  /** One command over a channel of its own. @param {string} command */
  async run(command) {
    const channel = await this.#exec(command);
    channel.resume();
    channel.stderr.resume();
    await once(channel, 'close');
  }

  async end() {
    const closed = once(this.#client, 'close');
    this.#client.end();
    await closed;
  }

  /** @param {string} command @returns {Promise<import('ssh2').ClientChannel>} */
  #exec(command) {
    return new Promise((resolve, reject) => {
      this.#client.exec(command, (error, channel) => {
        if (error) reject(error);
        else resolve(channel);
      });
    });
  }
}

/**
 * Opens them all, so many at once.
 * @param {readonly SshDroneOptions[]} hosts
 * @param {number} atOnce
 */
export async function openBareAgents(hosts, atOnce) {
  const agents = hosts.map(host => ({ host, agent: new BareAgent() }));
  const left = [...agents];
  const opener = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await next.agent.open(next.host);
  };
  await Promise.all(Array.from({ length: atOnce }, opener));
  return agents.map(({ agent }) => agent);
}
