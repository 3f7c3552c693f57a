/** Keeps git from converting files of a work tree, as line ends, encodings, filters and `ident` would. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Stronger than any `.gitattributes`. */
const UNCONVERTED = '* -text !eol -filter -ident !working-tree-encoding\n';

/** Work trees of the repository contain the files as stored, so that none looks changed. */
export async function convertNothing(gitDir: string): Promise<void> {
  await mkdir(join(gitDir, 'info'), { recursive: true });
  await writeFile(join(gitDir, 'info/attributes'), UNCONVERTED);
}
