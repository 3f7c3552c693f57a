/** A list of tenants that processes publish to each other: a file that is replaced by a rename. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import type { TenantList, TenantListSource } from 'drone-task-queue/tenants';

export class PublishedConfig implements TenantListSource {
  readonly #path: string;
  /** How often it was read whole. */
  reads = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async publish(config: TenantList): Promise<void> {
    const fresh = `${this.#path}.${String(process.pid)}`;
    await writeFile(fresh, JSON.stringify(config));
    await rename(fresh, this.#path);
  }

  async ltime(): Promise<number> {
    return (await this.#load()).ltime;
  }

  async read(): Promise<TenantList> {
    this.reads += 1;
    return this.#load();
  }

  async #load(): Promise<TenantList> {
    return JSON.parse(await readFile(this.#path, 'utf8')) as TenantList;
  }
}
