/**
 * Tunnels to servers, by TCP or through hops. All that pass through a hop in this thread share its connection, opened
 * for the first of them and ended after the last.
 */
import type { ClientChannel } from 'ssh2';
import { TransportError } from '../transport.js';
import type { Phase } from '../../wire/messages.js';
import { raceAbort } from '../../../wait/abort.js';
import { addressesOf } from './addresses.js';
import { Authentication, type Awaited } from './authentication.js';
import { type ConnectionSettings, SshConnection, type Tunnel } from './connection.js';
import { addressOf, type SshHop, type SshPoint } from './ssh-endpoint.js';
import { HostKeyCheck } from './host-key.js';
import { Dropped } from './login.js';
import { Pace } from './pace.js';
import { loadSsh2 } from './ssh2.js';
import { openTcp } from './tcp.js';

/** A server that only drops connections is given up after this, however long connecting may take. */
const LONGEST_RETRY_MS = 30_000;

/** Connects to `point` through `hops`, outermost first. Rejects with a TransportError, or at once when aborted. */
export async function connectThrough(
  hops: readonly SshHop[],
  point: SshPoint,
  settings: ConnectionSettings,
): Promise<SshConnection> {
  if (hops.length === 0) {
    const addresses = await addressesOf(point, settings);
    return connectAt(point, addressKey(point), settings, () => openStraight(point, addresses, settings));
  }
  const hop = SharedHop.enter(hops, settings);
  // Kept until the connection stands, whose tunnel has its own visit: the hop must survive between attempts.
  const visit = hop.visit(settings.held);
  try {
    const connection = hop.connection ?? (await settings.pause(() => hop.connected(settings)));
    return await connectAt(point, `${hop.path} ${addressKey(point)}`, settings, () =>
      openOn(hop, connection, point, settings),
    );
  } finally {
    visit.leave();
  }
}

/** Connects when the server's pace allows, and again after drops for as long as connecting may take. */
async function connectAt(
  point: SshPoint,
  address: string,
  settings: ConnectionSettings,
  openTunnel: () => Promise<Tunnel>,
): Promise<SshConnection> {
  const { signal } = settings;
  let triedSinceMs = Infinity;
  for (let attempt = 1; ; attempt++) {
    const pace = Pace.of(address, settings.maxConnectingPerAddress);
    const place = await pace.enter(signal, settings.pause);
    try {
      settings.phase('connect');
      triedSinceMs = Math.min(triedSinceMs, performance.now());
      const connection = await connectOnce(point, settings, openTunnel);
      pace.opened();
      return connection;
    } catch (error) {
      if (!(error instanceof Dropped) || signal.aborted) throw error;
      place.dropped();
      const longestMs = Math.min(settings.connectTimeoutMs, LONGEST_RETRY_MS);
      if (performance.now() - triedSinceMs >= longestMs) throw error.after(attempt);
    } finally {
      place.leave();
    }
    await settings.pause(() => pace.backOff(attempt, settings.held, signal));
  }
}

async function connectOnce(
  point: SshPoint,
  settings: ConnectionSettings,
  openTunnel: () => Promise<Tunnel>,
): Promise<SshConnection> {
  // Before the socket exists: ssh2 must listen to it from its first event on.
  const [{ Client }, hostKey] = await raceAbort(
    settings.signal,
    Promise.all([loadSsh2(), HostKeyCheck.prepare(point)]),
  );
  const tunnel = await openTunnel();
  const authentication = new Authentication(point, settings);
  return SshConnection.open({ client: new Client(), point, tunnel, hostKey, authentication, settings });
}

function addressKey({ host, port }: SshPoint): string {
  return `${host} ${String(port)}`;
}

async function openStraight(
  point: SshPoint,
  addresses: readonly string[],
  { held, signal }: ConnectionSettings,
): Promise<Tunnel> {
  const socket = await openTcp(point, addresses, held, signal);
  return {
    stream: socket,
    get isClosed() {
      return socket.destroyed;
    },
    hold: () => socket.ref(),
    release: () => socket.unref(),
    lossCause: () => undefined,
    close: () => socket.destroy(),
  };
}

async function openOn(
  hop: SharedHop,
  connection: SshConnection,
  point: SshPoint,
  { held, signal }: ConnectionSettings,
): Promise<Tunnel> {
  const visit = hop.visit(held);
  try {
    return tunnelOn(await connection.forward(point.host, point.port, signal), visit, hop);
  } catch (error) {
    visit.leave();
    throw hop.blame(error, signal);
  }
}

function tunnelOn(channel: ClientChannel, visit: Visit, hop: SharedHop): Tunnel {
  let isClosed = false;
  channel.once('close', () => {
    isClosed = true;
  });
  return {
    stream: channel,
    get isClosed() {
      return isClosed;
    },
    hold: visit.hold,
    release: visit.release,
    lossCause: () => {
      const cause = hop.connection?.lossCause;
      return cause && new Error(`via ${hop.name}: ${cause.message}`, { cause });
    },
    close: () => {
      channel.destroy();
      visit.leave();
    },
  };
}

/** One user of a hop. Repeated calls have no effect. */
interface Visit {
  hold(): void;
  release(): void;
  leave(): void;
}

/** Names the hop that failed, which may be further out than the one that passes it on. */
class HopError extends TransportError {}

const hopsInUse = new Map<string, SharedHop>();

class SharedHop {
  readonly name: string;
  /** The keys of the hops, outermost first. */
  readonly path: string;
  readonly #abort = new AbortController();
  readonly #connecting: Promise<SshConnection>;
  /** Undefined until it stands. */
  connection: SshConnection | undefined;
  #phase: Phase = 'connect';
  #awaited: Awaited | undefined;
  readonly #watchers = new Set<(phase: Phase) => void>();
  #visits = 0;
  #held = 0;

  private constructor(path: string, hops: readonly SshHop[], settings: ConnectionSettings, hop: SshHop) {
    this.path = path;
    this.name = addressOf(hop);
    // Not a visitor's own signal, as others may be waiting.
    const { signal } = this.#abort;
    const phase = (reached: Phase): void => {
      this.#phase = reached;
      for (const watch of this.#watchers) watch(reached);
    };
    const awaits = (awaited: Awaited | undefined): void => {
      this.#awaited = awaited && { ...awaited, what: `via ${this.name}: ${awaited.what}` };
    };
    const onWait = (): void => phase('waiting');
    this.#connecting = settings.openShared(signal, onWait, pause =>
      connectThrough(hops.slice(0, -1), hop, { ...settings, signal, phase, awaits, pause }),
    );
    this.#connecting.then(
      connection => {
        this.connection = connection;
        connection.onEnd(() => this.#forget());
        if (this.#visits === 0) connection.end();
        else if (this.#held === 0) connection.release();
        else connection.hold();
      },
      () => {
        this.#forget(); // each visitor gets the failure itself
      },
    );
  }

  /** The last of `hops`, reached through the others. */
  static enter(hops: readonly SshHop[], settings: ConnectionSettings): SharedHop {
    const path = hops.map(({ key }) => key).join(' ');
    const hop = hops.at(-1);
    if (!hop) throw new RangeError('no hop to enter');
    const shared = hopsInUse.get(path) ?? new SharedHop(path, hops, settings, hop);
    hopsInUse.set(path, shared);
    return shared;
  }

  async connected({ signal, phase, awaits }: ConnectionSettings): Promise<SshConnection> {
    // The hop's phase is the visitor's, too.
    const watch = (reached: Phase): void => {
      if (!signal.aborted) phase(reached);
    };
    watch(this.#phase);
    this.#watchers.add(watch);
    try {
      return await raceAbort(signal, this.#connecting);
    } catch (error) {
      awaits(this.#awaited);
      throw this.blame(error, signal);
    } finally {
      this.#watchers.delete(watch);
    }
  }

  /** Names the hop in its failure, unless the visitor itself gave up. */
  blame(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted || error instanceof HopError || !(error instanceof TransportError)) return error;
    const { kind, code, message, cause = error } = error;
    return new HopError(kind, `via ${this.name}: ${message}`, { cause, code });
  }

  visit(held: boolean): Visit {
    let isHeld = false;
    let isHere = true;
    this.#visits++;
    const hold = (): void => {
      if (isHeld || !isHere) return;
      isHeld = true;
      if (this.#held++ === 0) this.connection?.hold();
    };
    if (held) hold();
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      if (--this.#held === 0) this.connection?.release();
    };
    return {
      hold,
      release,
      leave: () => {
        if (!isHere) return;
        isHere = false;
        if (isHeld) this.#held--;
        isHeld = false;
        if (--this.#visits > 0) {
          if (this.#held === 0) this.connection?.release();
          return;
        }
        this.#forget();
        this.#abort.abort();
        this.connection?.end();
      },
    };
  }

  #forget(): void {
    if (hopsInUse.get(this.path) === this) hopsInUse.delete(this.path);
  }
}
