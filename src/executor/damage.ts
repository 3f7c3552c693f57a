/**
 * Damage that a power cut may leave in a copy: files that are empty, cut off or full of zero bytes. Git's messages about it
 * are many, change between versions, and are sometimes only warnings. So a copy is checked as a whole before its first use,
 * and after a failure that nothing else explains.
 */
import { existsSync } from 'node:fs';
import { copyFile, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../report/log.js';
import { cureFor, GitError, isUnexplained } from './git-error.js';
import type { GitAnswer, GitRun } from './git.js';

type RunGit = (args: readonly string[], run: GitRun) => Promise<GitAnswer>;

/** Files that every git reads. A zero byte is in none of them. */
const TEXTS = ['HEAD', 'config', 'packed-refs', 'shallow', 'objects/info/alternates', 'info/grafts'];
/** All objects are checked at most this often, because that takes long in a big repository. */
const LOOK_EVERY_MS = 3_600_000;

export class Damage {
  readonly #gitDir: string;
  readonly #run: RunGit;
  readonly #log: Log;
  #lookedMs = -Infinity;

  constructor(gitDir: string, run: RunGit, log: Log) {
    this.#gitDir = gitDir;
    this.#run = run;
    this.#log = log;
  }

  /** What is wrong with the settings, the refs and the commits that they name; undefined if nothing is. */
  async inRefs(signal?: AbortSignal): Promise<string | undefined> {
    const [bad] = await damagedFiles(this.#gitDir);
    if (bad !== undefined) return bad.why;
    return failureIn(async () => {
      const { text, stderr } = await this.#run(['for-each-ref', '--format=%(objectname)'], { signal });
      const warning = brokenRefIn(stderr);
      if (warning !== undefined) return warning;
      if (text === '') return undefined;
      const checked = await this.#run(['cat-file', '--batch-check'], { input: `${text}\n`, signal });
      return checked.text.split('\n').find(line => !/ (commit|tag|tree|blob) \d+$/.test(line));
    });
  }

  /** Whether damage explains the failure. */
  async explains(error: unknown, signal?: AbortSignal): Promise<boolean> {
    if (!isUnexplained(error)) return false;
    try {
      if ((await this.inRefs(signal)) !== undefined) return true;
      if (error.command === 'fetch' || performance.now() - this.#lookedMs < LOOK_EVERY_MS) return false;
      this.#lookedMs = performance.now();
      return (await this.#inObjects(signal)) !== undefined;
    } catch (problem) {
      // The failure itself says more than one of looking for its reason.
      if (!(problem instanceof GitError)) throw problem;
      this.#log.warn('a repository of the cache could not be checked', { gitDir: this.#gitDir, error: problem });
      return false;
    }
  }

  async #inObjects(signal: AbortSignal | undefined): Promise<string | undefined> {
    return failureIn(async () => {
      await this.#run(['fsck', '--connectivity-only', '--no-dangling', '--no-progress'], { signal });
      return undefined;
    });
  }
}

/** For-each-ref leaves out what it cannot read, and succeeds. */
export function brokenRefIn(stderr: string): string | undefined {
  return stderr.split('\n').find(line => line.includes('ignoring broken ref'));
}

/** Copies the files that are the same in every copy from a fresh one, and removes damaged files. */
export async function makeReadable(gitDir: string, fresh: string): Promise<void> {
  for (const { name } of await damagedFiles(gitDir)) await rm(join(gitDir, name), { force: true });
  const isCut = existsSync(join(fresh, 'shallow')) && !existsSync(join(gitDir, 'shallow'));
  for (const name of ['HEAD', 'config', ...(isCut ? ['shallow'] : [])])
    await copyFile(join(fresh, name), join(gitDir, name));
}

interface DamagedFile {
  readonly name: string;
  readonly why: string;
}

async function damagedFiles(gitDir: string): Promise<DamagedFile[]> {
  const damaged: DamagedFile[] = [];
  for (const name of TEXTS) {
    const bytes = await readFile(join(gitDir, name)).catch(ignoreAbsence);
    if (bytes === undefined) continue;
    if (bytes.includes(0)) damaged.push({ name, why: `${name} has zero bytes` });
    else if (bytes.length === 0 && name === 'config') damaged.push({ name, why: 'config is empty' });
    // Git ends the file with a line, and a lost end may be any number of refs.
    else if (name === 'packed-refs' && bytes.at(-1) !== 10) damaged.push({ name, why: 'packed-refs is truncated' });
  }
  return [...damaged, ...(await lonePacks(gitDir))];
}

/** Git silently ignores an index without its pack. */
async function lonePacks(gitDir: string): Promise<DamagedFile[]> {
  const folder = join('objects', 'pack');
  const names = (await readdir(join(gitDir, folder)).catch(ignoreAbsence)) ?? [];
  const lone = names.filter(name => name.endsWith('.idx') && !names.includes(name.replace(/idx$/, 'pack')));
  // A gc may have removed both meanwhile.
  const left = lone.map(name => join(folder, name)).filter(name => existsSync(join(gitDir, name)));
  return left.map(name => ({ name, why: `${name} has no pack` }));
}

function ignoreAbsence(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
  throw error;
}

/** A command that cannot be started, was ended, or had no memory or disk shows nothing about the copy. */
async function failureIn(look: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await look();
  } catch (error) {
    if (cureFor(error) === 'rebuild' || isUnexplained(error)) return (error as GitError).words;
    throw error;
  }
}
