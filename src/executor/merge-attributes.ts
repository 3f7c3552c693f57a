/**
 * The `.gitattributes` of a commit, alone in a directory: git reads from a work tree which drivers merge a file (`merge=union`),
 * and from a commit only since 2.41.
 */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CachedRepo } from './cached-repo.js';
import { readFiles } from './read-files.js';

/** Returns the directory with the commit's files, inside a directory that holds those of one commit at a time. */
export async function attributesAt(repo: CachedRepo, commit: string, signal: AbortSignal | undefined): Promise<string> {
  const parent = repo.attributesFolder;
  const folder = join(parent, commit);
  if (existsSync(folder)) return folder;
  await rm(parent, { recursive: true, force: true });
  const unfinished = join(parent, 'unfinished');
  await mkdir(unfinished, { recursive: true });
  const pattern = ['-e', '', commit, '--', ':(glob)**/.gitattributes'];
  const args = ['--no-literal-pathspecs', 'grep', '--name-only', '-a', '-z', ...pattern];
  const { stdout } = await repo.inGitDir(args, { orStatus: 1, signal });
  const names = stdout.toString().split('\0');
  const paths = names.map(name => name.slice(commit.length + 1)).filter(isInside);
  for (const [path, text] of Object.entries(await readFiles(repo, commit, paths, signal))) {
    await mkdir(join(unfinished, dirname(path)), { recursive: true });
    await writeFile(join(unfinished, path), text ?? '');
  }
  await rename(unfinished, folder);
  return folder;
}

/** A tree may have been made by hand. */
function isInside(path: string): boolean {
  return path !== '' && !path.split('/').some(part => ['', '.', '..'].includes(part));
}
