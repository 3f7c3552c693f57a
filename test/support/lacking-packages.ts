/** A project of a user who has installed this package, and few others. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Runs a program in a new project that has this package as it was built, its dependencies, and these packages alone. */
export async function runWithPackagesOnly(
  packages: readonly string[],
  program: string,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const project = await mkdtemp(join(tmpdir(), 'drone-project-'));
  try {
    const modules = join(project, 'node_modules');
    const own = join(modules, 'drone-task-queue');
    await mkdir(own, { recursive: true });
    await cp(join(ROOT, 'dist'), join(own, 'dist'), { recursive: true });
    await cp(join(ROOT, 'package.json'), join(own, 'package.json'));
    const { dependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const name of new Set([...Object.keys(dependencies), ...packages]))
      await symlink(join(ROOT, 'node_modules', name), join(modules, name));
    const file = join(project, 'program.mjs');
    await writeFile(file, program);
    return await promisify(execFile)(process.execPath, [file]);
  } finally {
    await rm(project, { recursive: true, force: true });
  }
}
