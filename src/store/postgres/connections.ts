/** A pool of connections to PostgreSQL, which transactions take in turn. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import { systemClock } from '../../wait/clock.js';
import { Connection, type ConnectionSettings } from './connection.js';
import { ConnectionLostError, kindOf, said } from './failure.js';

/** Between two attempts at a server that takes no more connections for now. */
const RETRY_MS = 100;

export class Connections {
  readonly #pool: Pool;
  readonly #settings: ConnectionSettings;
  readonly #busyTimeoutMs: number;
  readonly #open = new Map<PoolClient, Connection>();

  constructor(pool: Pool, settings: ConnectionSettings, busyTimeoutMs: number) {
    this.#pool = pool;
    this.#settings = settings;
    this.#busyTimeoutMs = busyTimeoutMs;
    pool.on('connect', client => {
      this.#open.set(client, new Connection(client, settings));
      client.once('end', () => this.#open.delete(client));
    });
    pool.on('error', error => {
      settings.log.warn(`an idle connection to PostgreSQL broke, and is replaced when one is needed: ${said(error)}`);
    });
  }

  /** An idle or new one. Waits while all are in use and, up to `busyTimeoutMs`, while the server takes no more. */
  async take(): Promise<Connection> {
    const lastMs = systemClock.nowMs() + this.#busyTimeoutMs;
    for (;;) {
      try {
        const client = await this.#pool.connect();
        const connection = this.#open.get(client);
        if (connection !== undefined) return connection;
        // Ended while it was handed over.
        client.release(true);
      } catch (error) {
        if (kindOf(error) !== 'busy') throw new ConnectionLostError('no connection to PostgreSQL', error);
        if (systemClock.nowMs() >= lastMs) throw error;
        await wait(RETRY_MS);
      }
    }
  }

  /** Ends them, and waits for it. Never rejects. */
  async close(): Promise<void> {
    await this.#pool.end();
    const clients = [...this.#open.keys()];
    const ends = clients.map(client => new Promise<void>(resolve => client.once('end', resolve)));
    const timer = setTimeout(() => {
      for (const client of clients) client.connection.stream.destroy();
    }, this.#settings.patience.goodbyeMs);
    await Promise.all(ends);
    clearTimeout(timer);
  }
}
