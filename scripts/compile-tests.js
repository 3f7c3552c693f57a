// Compiles test/ into dist-test/, so that the hundreds of processes of a run start without a compiler. Imports of src/
// become imports of dist/: a test and the package that it tests then share one copy of each module.
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

/** Beside test/, so that relative URLs to the rest of the checkout hold. */
const OUT = 'dist-test';

/** Leaves each file a file. @type {import('esbuild').Plugin} */
const filesOfTheirOwn = {
  name: 'files-of-their-own',
  setup(build) {
    build.onResolve({ filter: /./ }, ({ kind, path }) =>
      kind === 'entry-point' ? undefined : { path: path.replace(/^((?:\.\.\/)+)src\//, '$1dist/'), external: true },
    );
  },
};

export async function compileTests() {
  rmSync(OUT, { recursive: true, force: true });
  cpSync('test', OUT, { recursive: true, filter: source => !/\.ts$|tsconfig\.json$/.test(source) });
  await build({
    entryPoints: readdirSync('test', { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('.ts'))
      .map(path => `test/${path}`),
    outbase: 'test',
    outdir: OUT,
    bundle: true,
    plugins: [filesOfTheirOwn],
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: true,
    logLevel: 'error',
  });
}
