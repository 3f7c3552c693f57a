/** Starts an agent: the first bytes to it, and the search for its marker in the output of a login shell. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { packageFile } from '../../option/package-file.js';
import { quote } from '../../report/untrusted-text.js';
import { LOADER } from '../agent/loader.js';
import { encode } from '../wire/codec/codec.js';
import { isNodeMissing } from '../transport/agent-exit.js';
import { type AgentStart, NO_NODE, TransportError } from '../transport/transport.js';
import { utilityIdOf } from '../wire/utility-id.js';
import { readUtilityModule } from './utility-source.js';
import { encodeFrame, join } from '../wire/frames.js';
import {
  type AgentConfig,
  type EndpointSpec,
  FrameType,
  type ThreadSettings,
  type UtilityModule,
} from '../wire/messages.js';

/** More bytes than this before the marker count as an endless stream. */
const MAX_NOISE_BYTES = 64 * 1024;
const OLDEST_AGENT_NODE = 18;

const BUNDLE = packageFile('../../agent.bundle', import.meta.url);
let bundle: Uint8Array | undefined;

type AgentSettings = Pick<ThreadSettings, 'killGraceMs' | 'linkSilenceMs'>;

/** All drones without env and utility share one input. */
const plainInputs = new WeakMap<AgentSettings, Uint8Array>();

/**
 * A start with a marker of its own. Throws a TransportError (`bootstrap`) if the bundle or the user's utility module cannot
 * be read.
 */
export async function newAgentStart(spec: EndpointSpec, settings: AgentSettings): Promise<AgentStart> {
  const isPlain = spec.env === undefined && spec.utility === undefined;
  const input = (isPlain ? plainInputs.get(settings) : undefined) ?? (await inputFor(spec, settings));
  if (isPlain) plainInputs.set(settings, input);
  return { loader: LOADER, marker: `drone-${randomBytes(12).toString('hex')}`, input };
}

async function inputFor({ env = {}, utility }: EndpointSpec, settings: AgentSettings): Promise<Uint8Array> {
  // Keeps the bundle, not the promise: a failed read, such as with no files left, is repeated.
  bundle ??= await readBundle();
  const { killGraceMs, linkSilenceMs } = settings;
  const config: AgentConfig = { env, killGraceMs, linkSilenceMs };
  const parts = [bundle, encodeFrame(FrameType.Config, 0, 0, encode(config))];
  if (utility !== undefined) {
    const module: UtilityModule = { id: utilityIdOf(utility), source: await readUtilityModule(utility) };
    parts.push(encodeFrame(FrameType.Utility, 0, 0, encode(module)));
  }
  return join(parts);
}

async function readBundle(): Promise<Uint8Array> {
  try {
    return await readFile(BUNDLE);
  } catch (error) {
    throw new TransportError('bootstrap', `cannot read the agent's bundle: ${String(error)}`, { cause: error });
  }
}

/**
 * Waits in the agent's output for the loader's first line, `<marker> v<node version>`.
 * What came before it is skipped up to a cap, what comes after it belongs to the frames.
 */
export class MarkerSearch {
  readonly #marker: string;
  #text = '';
  /** As named by the loader; undefined also where the transport plays the agent. */
  nodeVersion: string | undefined;

  constructor(marker: string) {
    this.#marker = marker;
  }

  /** Takes output; returns what follows the marker's line once it is complete, else undefined. Throws a TransportError. */
  push(chunk: Uint8Array): Uint8Array | undefined {
    // latin1 has one character per byte, so positions in the text are positions in the bytes.
    this.#text += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
    const at = this.#text.indexOf(`${this.#marker} `);
    const lineEnd = at < 0 ? -1 : this.#text.indexOf('\n', at);
    if (lineEnd < 0) {
      if (this.#text.length <= MAX_NOISE_BYTES) return undefined;
      throw new TransportError(
        'bootstrap',
        `more than ${String(MAX_NOISE_BYTES)} bytes of output before the agent's own: ${quote(this.#text)}`,
      );
    }
    const version = this.#text.slice(at + this.#marker.length + 1, lineEnd).trim();
    if (version !== NO_NODE) {
      const major = Number(/^v(\d+)\./.exec(version)?.[1]);
      if (!(major >= OLDEST_AGENT_NODE)) {
        throw new TransportError(
          'bootstrap',
          `the agent needs Node ${String(OLDEST_AGENT_NODE)} or newer on the drone, found ${quote(version)}`,
        );
      }
      this.nodeVersion = version;
    }
    return Buffer.from(this.#text.slice(lineEnd + 1), 'latin1');
  }

  get noise(): string {
    return quote(this.#text);
  }
}

/** Why no agent came up. */
export function describeFailedStart(cause: Error | undefined, stderr: string, noise: string): string {
  const what = isNodeMissing(cause, stderr) ? 'no node on the drone' : 'the agent ended before it was ready';
  return `${what}${saidAtStart(stderr, noise)}${cause === undefined ? '' : ` (${cause.message})`}`;
}

/** The output of a start, to be appended to a message; without the loader, which Node and some shells repeat. */
export function saidAtStart(stderr: string, noise: string): string {
  const said = stderr.trim() === '' ? noise : quote(stderr.replaceAll(LOADER, '…'));
  return said === '""' ? '' : `: ${said}`;
}
