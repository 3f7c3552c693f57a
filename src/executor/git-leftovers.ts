/** What git leaves in a git folder when it is killed, or does not end what it began. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Of a merge, a cherry-pick or a rebase that did not end. */
const UNFINISHED = [
  'MERGE_HEAD',
  'MERGE_MODE',
  'MERGE_MSG',
  'SQUASH_MSG',
  'AUTO_MERGE',
  'CHERRY_PICK_HEAD',
  'REVERT_HEAD',
  'REBASE_HEAD',
  'rebase-merge',
  'rebase-apply',
  'sequencer',
];

/** Of a command that was killed: lock files, and objects and packs that were being written. */
const LEFT = /\.lock$|^objects\/(pack\/\.?tmp[_-]|([0-9a-f]{2}\/)?tmp_obj|incoming-)/;

export async function forgetUnfinished(gitDir: string): Promise<void> {
  for (const name of UNFINISHED) await rm(join(gitDir, name), { recursive: true, force: true });
}

/** Only where no command is at work any more. */
export async function removeLocks(gitDir: string): Promise<void> {
  const ofRefs = await readdir(join(gitDir, 'refs'), { recursive: true }).catch(ignoreAbsence);
  const inObjects = await pathsIn(gitDir, 'objects');
  const below = (await Promise.all(inObjects.map(async folder => pathsIn(gitDir, folder)))).flat();
  const all = [...ofRefs.map(path => join('refs', path)), ...(await pathsIn(gitDir, '')), ...inObjects, ...below];
  for (const path of all.filter(each => LEFT.test(each))) {
    await rm(join(gitDir, path), { force: true, recursive: true });
  }
}

/** Of what is in one folder of it, from the git folder on; none when it is no folder. */
async function pathsIn(gitDir: string, folder: string): Promise<string[]> {
  const names = await readdir(join(gitDir, folder)).catch(ignoreAbsence);
  return names.map(name => join(folder, name));
}

function ignoreAbsence(error: unknown): never[] {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return [];
  throw error;
}
