/**
 * A program: looks at a user's utility module before it is sent to a drone, without running it. JavaScript comes on stdin
 * and is parsed by V8, whose report of a syntax error ends this process; TypeScript is bundled by esbuild. It runs in a
 * process of its own, because the parser needs a flag of Node and esbuild leaves a process behind.
 */
import { readFileSync } from 'node:fs';
import * as vm from 'node:vm';

/** What it prints, as JSON. */
export type UtilityCheck =
  | { readonly kind: 'javascript'; readonly imports: readonly string[] }
  | { readonly kind: 'bundled'; readonly source: string; readonly files: readonly string[] }
  | { readonly kind: 'no-esbuild' }
  | { readonly kind: 'failed'; readonly file?: string; readonly line?: number; readonly text: string };

/** Not in Node's types before 24, where `dependencySpecifiers` is deprecated. */
interface ParsedModule {
  readonly dependencySpecifiers?: readonly string[];
  readonly moduleRequests?: readonly { readonly specifier: string }[];
}

interface BuildFailure {
  readonly errors: readonly {
    readonly text: string;
    readonly location: { readonly file: string; readonly line: number } | null;
  }[];
}

function parse(name: string): UtilityCheck {
  const { SourceTextModule } = vm as unknown as {
    SourceTextModule: new (text: string, options: { identifier: string }) => ParsedModule;
  };
  const module = new SourceTextModule(readFileSync(0, 'utf8'), { identifier: name });
  const imports = module.moduleRequests?.map(({ specifier }) => specifier) ?? module.dependencySpecifiers ?? [];
  return { kind: 'javascript', imports };
}

async function bundle(path: string): Promise<UtilityCheck> {
  const esbuild = await import('esbuild').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    return undefined;
  });
  if (esbuild === undefined) return { kind: 'no-esbuild' };
  try {
    const { outputFiles, metafile } = await esbuild.build({
      entryPoints: [path],
      absWorkingDir: '/',
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      format: 'esm',
      target: 'node18',
      logLevel: 'silent',
    });
    const files = Object.keys(metafile.inputs).map(file => `/${file}`);
    return { kind: 'bundled', source: outputFiles[0]?.text ?? '', files };
  } catch (error) {
    const [first] = (error as BuildFailure).errors ?? [];
    if (first === undefined) throw error;
    const { text, location } = first;
    return { kind: 'failed', text, ...(location !== null && { file: `/${location.file}`, line: location.line }) };
  } finally {
    await esbuild.stop();
  }
}

const [, , how, name = ''] = process.argv;
const check = how === 'bundle' ? await bundle(name) : parse(name);
process.stdout.write(JSON.stringify(check));
