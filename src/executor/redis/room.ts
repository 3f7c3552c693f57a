/**
 * Keeps the last tenth of a full Redis free of new jobs. Without room, Redis also refuses to hand out jobs, so jobs that
 * filled it would wait forever.
 */
import type { Redis } from 'ioredis';

const SHARE_OF_JOBS = 0.9;

export class Room {
  readonly #client: Redis;
  /** Bytes of jobs that are on their way. */
  #bytes = 0;

  constructor(client: Redis) {
    this.#client = client;
  }

  /** Runs `work`, which needs this much room. Rejects when Redis has less. */
  async use<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    this.#bytes += bytes;
    try {
      await this.#check();
      return await work();
    } finally {
      this.#bytes -= bytes;
    }
  }

  async #check(): Promise<void> {
    const memory = await this.#memory();
    const [used, limit] = [numberOf(memory, 'used_memory'), numberOf(memory, 'maxmemory')];
    // With another policy a full Redis removes keys.
    if (limit === 0 || !memory.includes('maxmemory_policy:noeviction')) return;
    if (used + this.#bytes <= limit * SHARE_OF_JOBS) return;
    const room = `${String(used)} of ${String(limit)} bytes are used`;
    throw new Error(`Redis has no room (OOM): ${room}, the last tenth is reserved for handing out and answering jobs`);
  }

  /** Empty where the user may not read it. */
  async #memory(): Promise<string> {
    try {
      return await this.#client.info('memory');
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('NOPERM')) return '';
      throw error;
    }
  }
}

function numberOf(memory: string, field: string): number {
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(memory)?.[1] ?? 0);
}
