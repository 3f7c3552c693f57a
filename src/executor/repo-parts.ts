/** Where the parts of a copy are: names beside each other, because one repository's name may begin with another's. */
import { rm } from 'node:fs/promises';
import type { Upkeep } from './upkeep.js';

export function gitDirOf(folder: string): string {
  return `${folder}.git`;
}

/** For merges in a work tree. */
export function workTreeOf(folder: string): string {
  return `${folder}.tree`;
}

/** For the `.gitattributes` of a commit. */
export function attributesOf(folder: string): string {
  return `${folder}.attributes`;
}

export function partsOf(folder: string): readonly string[] {
  return [gitDirOf(folder), workTreeOf(folder), attributesOf(folder)];
}

export async function removeRepo(folder: string, upkeep: Upkeep): Promise<void> {
  await upkeep.end(gitDirOf(folder));
  for (const part of partsOf(folder)) await rm(part, { recursive: true, force: true });
}
