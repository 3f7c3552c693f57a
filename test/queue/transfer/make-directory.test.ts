/** Directories that cannot be made fail with the system's own reason. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { makeDirectory } from '../../../src/queue/transfer/make-directory.js';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'drone-directories-'));
});
after(() => rmSync(folder, { recursive: true }));

const MODULE = new URL('../../../dist/queue/transfer/make-directory.js', import.meta.url).href;

/** With `cwd` as its working directory, which is removed. Node's own recursive mkdir would end with SIGKILL only. */
function codeWithout(cwd: string, path: string): string {
  const [module, folder] = [MODULE, cwd].map(text => JSON.stringify(text));
  const program =
    `import(${module}).then(({ makeDirectory }) => { process.chdir(${folder}); fs.rmdirSync(${folder}); ` +
    `return makeDirectory(${path}); }).catch(e => e.code).then(console.log)`;
  const bounds = { timeout: 120_000, killSignal: 'SIGKILL' } as const;
  return execFileSync(process.execPath, ['-e', program], { encoding: 'utf8', ...bounds }).trim();
}

/** Runs in a mount namespace of its own, where `folder` is a read-only file system. */
function onReadOnly(path: string): string {
  const program = `import(${JSON.stringify(MODULE)}).then(m => m.makeDirectory(${path})).catch(e => console.log(e.code))`;
  const script = 'mount -t tmpfs -o ro none "$1" && exec "$2" -e "$3"';
  const args = ['-rm', 'sh', '-c', script, 'sh', folder, process.execPath, program];
  return execFileSync('unshare', args, { encoding: 'utf8' }).trim();
}

test('on a read-only file system the reason is EROFS, however many directories are missing', () => {
  assert.equal(onReadOnly(JSON.stringify(join(folder, 'a'))), 'EROFS');
  assert.equal(onReadOnly(JSON.stringify(join(folder, 'a/b/c'))), 'EROFS');
  assert.equal(onReadOnly(`Buffer.from(${JSON.stringify(join(folder, 'a/b/c'))})`), 'EROFS');
});

test('where nothing can be made in a directory that is there, the reason is ENOENT', () => {
  for (const path of ['/proc/none', '/proc/none/b/c', 'a', 'a/b', '']) {
    const cwd = mkdtempSync(join(folder, 'removed-'));
    assert.equal(codeWithout(cwd, JSON.stringify(path)), 'ENOENT', path);
  }
  const cwd = mkdtempSync(join(folder, 'removed-'));
  assert.equal(codeWithout(cwd, "Buffer.from('a/b')"), 'ENOENT');
});

test('directories are made, and what is there is left', async () => {
  const path = join(folder, 'a/b/c');
  await makeDirectory(path);
  await makeDirectory(Buffer.from(path));
  assert(statSync(path).isDirectory());
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(makeDirectory(join(folder, 'file')), { code: 'EEXIST' });
  await assert.rejects(makeDirectory(join(folder, 'file/a/b')), { code: 'ENOTDIR' });
  const link = join(folder, 'broken');
  symlinkSync('nowhere', link);
  await assert.rejects(makeDirectory(link), { code: 'EEXIST' });
  await assert.rejects(makeDirectory(join(link, 'a/b')), { code: 'ENOTDIR', path: link });
});
