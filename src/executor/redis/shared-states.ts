/**
 * Keeps a repository's refs, which may be hundreds of kilobytes, once for all jobs and answers with these refs in their
 * `repoState`, where their hash stands in for them.
 */
import { createHash } from 'node:crypto';
import type { RefCommits } from '../cached-repo.js';
import { own } from '../merge-item.js';
import type { RepoState } from '../repo-cache.js';
import type { RepoName } from '../repo-name.js';
import { KEEP_S } from './kept.js';
import type { RedisLink } from './redis-link.js';

/** Smaller ones stay where they are. */
const MIN_CHARS = 2000;
/** Longer than the jobs and answers that refer to them. */
const KEEP_STATE_S = KEEP_S + 60;

/** What stands in the place of a `repoState`. */
type PackedState = Readonly<Record<string, Readonly<Record<string, RefCommits | string>>>>;

/** A value whose `repoState` is packed, and the names of its parts in Redis. */
export interface Packed {
  readonly packed: unknown;
  readonly names: readonly string[];
}

export class SharedStates {
  readonly #link: RedisLink;

  constructor(link: RedisLink) {
    this.#link = link;
  }

  /** For a command job, only the repositories of its projects. Rejects with an error of Redis. */
  async pack(value: unknown): Promise<Packed> {
    const state = stateIn(value);
    if (state === undefined) return { packed: value, names: [] };
    const needs = projectsOf(value);
    const names = new Set<string>();
    const pack = async (refs: unknown): Promise<unknown> => {
      const text = JSON.stringify(refs) ?? '';
      if (text.length < MIN_CHARS) return refs;
      const name = createHash('sha256').update(text).digest('base64url');
      // One that is there is not sent again.
      if ((await this.#link.client.expire(this.#keyOf(name), KEEP_STATE_S)) === 0) {
        await this.#link.client.set(this.#keyOf(name), text, 'EX', KEEP_STATE_S);
      }
      names.add(name);
      return name;
    };
    const isNeeded = (connection: string, project: string): boolean =>
      needs?.some(one => one.connection === connection && one.project === project) ?? true;
    const packed = await mapRefs(state, pack, isNeeded);
    return { packed: { ...(value as object), repoState: packed }, names: [...names] };
  }

  /** Rejects when Redis does not have a part any more. */
  async unpack(value: unknown): Promise<unknown> {
    const state = stateIn(value);
    if (state === undefined) return value;
    const unpack = async (refs: unknown): Promise<unknown> => {
      if (typeof refs !== 'string') return refs;
      const text = await this.#link.client.get(this.#keyOf(refs));
      if (text === null) throw new Error('Redis no longer has its repoState');
      return JSON.parse(text);
    };
    return { ...(value as object), repoState: await mapRefs(state, unpack) };
  }

  /** Keeps them for another hour. */
  async renew(names: Iterable<string>): Promise<void> {
    for (const name of names) await this.#link.client.expire(this.#keyOf(name), KEEP_STATE_S);
  }

  #keyOf(name: string): string {
    return `${this.#link.settings.prefix}:states:${name}`;
  }
}

/** Arguments and answers are not checked by the source, so this may be any value. */
function stateIn(value: unknown): RepoState | PackedState | undefined {
  const state = isRecord(value) ? own(value, 'repoState') : undefined;
  return isRecord(state) && Object.values(state).every(isRecord) ? (state as RepoState | PackedState) : undefined;
}

/** The repositories of a command job. */
function projectsOf(value: unknown): readonly RepoName[] | undefined {
  const projects = own(value as Readonly<Record<string, unknown>>, 'projects');
  return Array.isArray(projects) && projects.every(isRecord) ? (projects as unknown as RepoName[]) : undefined;
}

async function mapRefs(
  state: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  change: (refs: unknown) => Promise<unknown>,
  isWanted: (connection: string, project: string) => boolean = () => true,
): Promise<unknown> {
  const changed: [string, unknown][] = [];
  for (const [connection, projects] of Object.entries(state)) {
    const all: [string, unknown][] = [];
    for (const [project, refs] of Object.entries(projects)) {
      if (isWanted(connection, project)) all.push([project, await change(refs)]);
    }
    changed.push([connection, Object.fromEntries(all)]);
  }
  return Object.fromEntries(changed);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
