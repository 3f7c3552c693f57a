// Builds dist/: the library with tsc; the agent as one file, and the examples as JavaScript, with esbuild.
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
rmSync('dist', { recursive: true, force: true });
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], { stdio: 'inherit' });

// The agent travels to the drone as text, so it must be self-contained and run on the oldest Node we serve there.
const agent = await build({
  entryPoints: ['src/queue/agent/main.ts'],
  write: false,
  bundle: true,
  platform: 'node',
  target: 'node18',
  format: 'cjs',
  minify: true,
  charset: 'ascii',
});

// As it is sent, so that no thread has to compress it.
const { bundleInput } = await import('../dist/queue/agent/loader.js');
for (const { contents } of agent.outputFiles) writeFileSync('dist/agent.bundle', bundleInput(contents));

// Node strips no types from files in node_modules, where users run them.
const examples = readdirSync('examples').filter(name => name.endsWith('.ts'));
await build({
  entryPoints: examples.map(name => `examples/${name}`),
  outdir: 'dist/examples',
  platform: 'node',
  target: 'node20',
  format: 'esm',
});
