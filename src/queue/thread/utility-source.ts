/** The text of a user's utility module, checked here: on the drone a fault in it could not even name its file. */
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { packageFile } from '../../option/package-file.js';
import { TransportError } from '../transport/transport.js';
import { MAX_PAYLOAD_BYTES } from '../wire/frames.js';
import type { UtilityCheck } from './utility-check.js';

const CHECK = packageFile('./utility-check.js', import.meta.url);
const CHECK_FLAGS = ['--experimental-vm-modules', '--no-warnings'];
const CHECK_TIMEOUT_MS = 60_000;
/** Modules whose check is remembered; the oldest is forgotten first. */
const REMEMBERED = 100;
const BUNDLE_FLAGS = '--bundle --platform=node --format=esm';

/** What is sent, and the files that went into it. */
interface Ready {
  readonly source: string;
  readonly files: readonly string[];
  readonly stamp: string;
}

interface Check {
  readonly text: string;
  readonly ready: Promise<Ready>;
}

/** By URL, in this thread: all drones with one module share a check. */
const checks = new Map<string, Check>();

/**
 * Reads the module and checks it, unless it is unchanged. Rejects with a TransportError (`bootstrap`): the file cannot be
 * read (the system's code); it does not parse, or imports what is not sent along (`ERR_UTILITY_MODULE`); it is TypeScript
 * and there is no esbuild (`ERR_PACKAGE_MISSING`).
 */
export async function readUtilityModule(href: string): Promise<string> {
  for (;;) {
    const text = await read(href);
    let check = checks.get(href);
    if (check?.text !== text) check = begin(href, text);
    const { source, files, stamp } = await check.ready;
    if ((await stampOf(files)) === stamp) return source;
    if (checks.get(href) === check) checks.delete(href);
  }
}

function begin(href: string, text: string): Check {
  const name = nameOf(href);
  const isTypeScript = /\.[mc]?ts$/.test(name);
  const check: Check = { text, ready: isTypeScript ? bundled(name) : parsed(name, text) };
  checks.delete(href);
  checks.set(href, check);
  for (const oldest of checks.keys()) {
    if (checks.size <= REMEMBERED) break;
    checks.delete(oldest);
  }
  check.ready.catch((error: unknown) => {
    // The same text has the same fault; what else was in the way may be gone the next time.
    const isKept = !isTypeScript && error instanceof TransportError && error.code === 'ERR_UTILITY_MODULE';
    if (!isKept && checks.get(href) === check) checks.delete(href);
  });
  return check;
}

async function parsed(name: string, text: string): Promise<Ready> {
  const check = await runCheck('parse', name, text);
  if (check.kind === 'failed') throw faulty(placeOf(name, check.line), `does not parse: ${check.text}`);
  const imports = check.kind === 'javascript' ? check.imports : [];
  const foreign = imports.find(specifier => !isBuiltin(specifier) && !/^(data|file|node):/.test(specifier));
  if (foreign === undefined) return { source: text, files: [], stamp: '' };
  const recipe = `npx esbuild ${name} ${BUNDLE_FLAGS} --outfile=utility.mjs`;
  const why = `imports '${foreign}', which is not sent with it: bundle both into one file, for example with ${recipe}`;
  throw faulty(placeOf(name, lineOfImport(text, foreign)), why);
}

async function bundled(path: string): Promise<Ready> {
  const check = await runCheck('bundle', path, '');
  if (check.kind === 'bundled') return { ...check, stamp: await stampOf(check.files) };
  if (check.kind === 'failed') {
    throw faulty(placeOf(check.file ?? path, check.line), `cannot be bundled: ${check.text}`);
  }
  const recipe = `npx esbuild ${path} ${BUNDLE_FLAGS} --outfile=utility.mjs`;
  const message =
    `the utility module ${path}, in TypeScript, needs the package esbuild: npm install esbuild; ` +
    `or pass the URL of a bundle, made for example with ${recipe}`;
  throw new TransportError('bootstrap', message, { code: 'ERR_PACKAGE_MISSING' });
}

async function runCheck(how: 'parse' | 'bundle', name: string, text: string): Promise<UtilityCheck> {
  const options = {
    // Flags of this process, such as those of a debugger, are not the program's.
    env: { ...process.env, NODE_OPTIONS: '' },
    maxBuffer: 2 * MAX_PAYLOAD_BYTES,
    timeout: CHECK_TIMEOUT_MS,
  };
  const program = promisify(execFile)(process.execPath, [...CHECK_FLAGS, fileURLToPath(CHECK), how, name], options);
  // A program that has failed does not read its input.
  program.child.stdin?.on('error', () => undefined).end(text);
  try {
    return JSON.parse((await program).stdout) as UtilityCheck;
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    const [, line] = /^.*:(\d+)\n/.exec(stderr) ?? [];
    const [, fault] = /^SyntaxError: (.*)$/m.exec(stderr) ?? [];
    if (fault !== undefined && how === 'parse') return { kind: 'failed', text: fault, line: Number(line) };
    throw new TransportError('bootstrap', `cannot check the utility module ${name}: ${String(error)}`, {
      cause: error,
    });
  }
}

function nameOf(href: string): string {
  return href.startsWith('file:') ? fileURLToPath(href) : 'in a data: URL';
}

async function read(href: string): Promise<string> {
  try {
    const url = new URL(href);
    if (url.protocol === 'file:') return await readFile(url, 'utf8');
    return await (await fetch(url)).text(); // data:, the only other protocol that a drone accepts
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // The system's text names the call and the path again.
    const [, words = message] = /^E\w+: (.*?), \w+(?: '[^]*')?$/.exec(message) ?? [];
    const why = code === undefined ? words : `${words} (${code})`;
    throw new TransportError('bootstrap', `cannot read the utility module ${nameOf(href)}: ${why}`, {
      cause: error,
      code,
    });
  }
}

/** Changes with any of the files. */
async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = files.map(async file => {
    const { mtimeMs, size } = await stat(file).catch(() => ({ mtimeMs: 0, size: 0 })); // gone: changed
    return `${String(mtimeMs)} ${String(size)}`;
  });
  return (await Promise.all(stamps)).join();
}

function lineOfImport(text: string, specifier: string): number | undefined {
  const quoted = specifier.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const at = text.search(new RegExp(String.raw`(?<=\b(?:from|import)\s*)(['"])${quoted}\1`));
  return at < 0 ? undefined : text.slice(0, at).split('\n').length;
}

function placeOf(file: string, line: number | undefined): string {
  return line === undefined ? file : `${file}:${String(line)}`;
}

function faulty(place: string, why: string): TransportError {
  return new TransportError('bootstrap', `the utility module ${place} ${why}`, { code: 'ERR_UTILITY_MODULE' });
}
