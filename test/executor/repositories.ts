/** Real repositories in a temporary directory, made with plain git, and programs that stand in for git and misbehave. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { RepoCache, type RepoCacheOptions } from 'drone-task-queue/executor';

const IDENTITY = ['-c', 'user.name=tester', '-c', 'user.email=tester@localhost', '-c', 'commit.gpgSign=false'];
const ENVIRONMENT = { PATH: process.env['PATH'], HOME: '/nowhere', GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C' };

/** Files by their paths; null takes one away. */
export type Files = Readonly<Record<string, string | null>>;

/** Runs git in a directory; gives what it printed. */
export function git(folder: string, ...args: string[]): string {
  const all = ['-C', folder, ...IDENTITY, ...args];
  return execFileSync('git', all, { env: ENVIRONMENT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** A repository that others clone, with a work tree in which its commits are made. */
export class Remote {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    git(folder, 'init', '--quiet', '--initial-branch=main');
    git(folder, 'config', 'uploadpack.allowAnySHA1InWant', 'true');
    this.commit({ 'README.md': 'first\n' });
  }

  /** Commits on the branch that is checked out. */
  commit(files: Files, message = 'change'): string {
    for (const [path, text] of Object.entries(files)) {
      const file = join(this.folder, path);
      mkdirSync(dirname(file), { recursive: true });
      if (text === null) rmSync(file, { recursive: true });
      else writeFileSync(file, text);
    }
    git(this.folder, 'add', '--all');
    git(this.folder, 'commit', '--quiet', '--allow-empty', '-m', message);
    return this.commitOf('HEAD');
  }

  /** A change on top of `from`, under `refs/changes/<name>`; the branch stays. */
  change(name: string, files: Files, from = 'main'): string {
    git(this.folder, 'checkout', '--quiet', '--detach', from);
    const commit = this.commit(files, name);
    git(this.folder, 'update-ref', `refs/changes/${name}`, commit);
    git(this.folder, 'checkout', '--quiet', 'main');
    return `refs/changes/${name}`;
  }

  commitOf(revision: string): string {
    return git(this.folder, 'rev-parse', '--verify', `${revision}^{commit}`);
  }
}

/** A temporary directory with remotes, by connection `git`, and caches of them. */
export class Workshop {
  readonly folder = mkdtempSync(join(tmpdir(), 'drone-executor-'));
  readonly #remotes = new Map<string, Remote>();

  remote(project: string): Remote {
    const remote = new Remote(join(this.folder, 'remotes', project));
    this.#remotes.set(project, remote);
    return remote;
  }

  get cacheFolder(): string {
    return join(this.folder, 'cache');
  }

  gitDir(project: string): string {
    return join(this.cacheFolder, 'git', `${encodeURIComponent(project)}.git`);
  }

  cache(options: Partial<RepoCacheOptions> = {}): RepoCache {
    return new RepoCache({
      folder: this.cacheFolder,
      urlOf: (_, project) => this.#remotes.get(project)?.folder,
      ...options,
      git: { retryDelayMs: 1, killGraceMs: 200, ...options.git },
    });
  }

  /** A program that does `script` where git's first words are `command`, and is git otherwise. */
  insteadOf(command: string, script: string): string {
    const file = join(this.folder, `git-${command}`);
    const lines = ['#!/bin/sh', `for word; do if [ "$word" = ${command} ]; then`, script, 'fi; done', 'exec git "$@"'];
    writeFileSync(file, `${lines.join('\n')}\n`);
    chmodSync(file, 0o755);
    return file;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    this.remove();
  }
}
