/** Files that killed or unfinished git commands leave in a git directory. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Files of an unfinished merge, cherry-pick or rebase. */
const UNFINISHED = [
  ...['MERGE_HEAD', 'MERGE_MODE', 'MERGE_MSG', 'SQUASH_MSG', 'AUTO_MERGE'],
  ...['CHERRY_PICK_HEAD', 'REVERT_HEAD', 'REBASE_HEAD', 'rebase-merge', 'rebase-apply', 'sequencer'],
];

/** Files of a killed command: lock files, and objects and packs that were being written. */
const LEFT =
  /\.lock$|^packed-refs\.new$|^gc\.(pid|log)$|^objects\/(pack\/\.?tmp[_-]|([0-9a-f]{2}\/)?tmp_obj|incoming-)/;

export async function forgetUnfinished(gitDir: string): Promise<void> {
  for (const name of UNFINISHED) await rm(join(gitDir, name), { recursive: true, force: true });
}

/** What a gc that packs no refs is about to write. */
const OF_GC = /^(objects\/|gc\.pid)/;

/** Call it only while no command runs there except a gc, whose files stay. */
export async function removeLocks(gitDir: string, hasGc: boolean): Promise<void> {
  const ofRefs = await readdir(join(gitDir, 'refs'), { recursive: true }).catch(ignoreAbsence);
  const inObjects = await pathsIn(gitDir, 'objects');
  const below = (await Promise.all(inObjects.map(async folder => pathsIn(gitDir, folder)))).flat();
  const chain = join('objects', 'info', 'commit-graphs');
  below.push(...(await pathsIn(gitDir, chain)));
  const all = [...ofRefs.map(path => join('refs', path)), ...(await pathsIn(gitDir, '')), ...inObjects, ...below];
  for (const path of all.filter(each => LEFT.test(each) && !(hasGc && OF_GC.test(each)))) {
    await rm(join(gitDir, path), { force: true, recursive: true });
  }
}

/** Relative to the git directory; empty unless `folder` is a directory. */
async function pathsIn(gitDir: string, folder: string): Promise<string[]> {
  const names = await readdir(join(gitDir, folder)).catch(ignoreAbsence);
  return names.map(name => join(folder, name));
}

function ignoreAbsence(error: unknown): never[] {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return [];
  throw error;
}
