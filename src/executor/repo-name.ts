/**
 * Names from outside that end up on git's command line or in a path. None may become an option, a remote helper or a place
 * outside the cache.
 */
import { invalidArgument } from '../option/invalid-argument.js';

/** Names a repository. */
export interface RepoName {
  /** The origin of the repository, such as a server; any name without a colon. */
  readonly connection: string;
  /** The repository's name there, such as `group/project`. */
  readonly project: string;
}

/** A file name has at most 255 bytes, some of which an ending needs. */
const MAX_FOLDER_CHARS = 240;
const PRINTABLE = /^[^\p{C}\\]+$/u;
/** Parts that a path may not have. */
const NO_NAMES = new Set(['', '.', '..', '.git']);
const COMMIT = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
/** A leading minus would make an option of git, or of the ssh that git starts. */
const URL_FORMS = [
  /^(https?|ssh|git):\/\/(?!-)([^\s/@-][^\s/@]*@)?[^\s/@-][^\s/@]*\/\S*$/,
  /^file:\/\/\//,
  /^\//,
  /^([\w.+][\w.+-]*@)?[\w][\w.-]*:(?!\/\/)[^-]/,
];

/** Throws a TypeError (`ERR_INVALID_ARG`), as all checks here do. `within` stands before the field in the message. */
export function checkRepoName(name: RepoName, within = ''): RepoName {
  if (typeof name !== 'object' || name === null) throw invalidArgument('a repository', name, 'an object');
  const { connection, project } = name;
  if (!isPath(connection) || /[:/]/.test(connection)) {
    throw invalidArgument(`${within}connection`, connection, 'a name without colons, slashes or control characters');
  }
  if (!isPath(project)) throw invalidArgument(`${within}project`, project, 'a relative path without . or .. in it');
  for (const [field, text] of Object.entries({ connection, project })) {
    if (encodeURIComponent(text).length > MAX_FOLDER_CHARS)
      throw invalidArgument(`${within}${field}`, text, 'a shorter name');
  }
  return { connection, project };
}

/** Key of its lock. */
export function keyOfRepo({ connection, project }: RepoName): string {
  return `${connection}:${project}`;
}

/** Relative to the cache; no two repositories share one or contain each other. */
export function folderOfRepo({ connection, project }: RepoName): string {
  return `${encodeURIComponent(connection)}/${encodeURIComponent(project)}`;
}

/** http, https, ssh, git and file URLs, `user@host:path`, and absolute paths. */
export function checkUrl(url: unknown): string {
  // A path may have spaces, but no other white space.
  const isUrl = typeof url === 'string' && PRINTABLE.test(url) && !url.includes('::') && !/[^\S ]/.test(url);
  if (isUrl && URL_FORMS.some(form => form.test(url))) return url;
  const shown = typeof url === 'string' ? stripCredentials(url) : url;
  throw invalidArgument('url', shown, 'an http, https, ssh, git or file URL, user@host:path, or an absolute path');
}

/** The name of a branch, without `refs/heads/`. */
export function checkBranch(branch: unknown, field = 'branch'): string {
  if (branch === 'HEAD') {
    throw invalidArgument(field, branch, 'the name of the branch itself: git cannot check out a branch called HEAD');
  }
  if (typeof branch === 'string' && !branch.startsWith('-') && isRefPath(branch)) return branch;
  throw invalidArgument(field, branch, 'the name of a branch');
}

/** A whole name of a ref, or of a commit. */
export function checkRef(ref: unknown, field = 'ref'): string {
  if (typeof ref === 'string' && (isCommit(ref) || (ref.startsWith('refs/') && isRefPath(ref)))) return ref;
  throw invalidArgument(field, ref, 'the full name of a ref, such as refs/heads/topic, or a commit id');
}

/** Whether it is the whole name of a commit. */
export function isCommit(text: string): boolean {
  return COMMIT.test(text);
}

/** A file of a repository, or a directory with a slash at the end. */
export function checkPath(path: unknown): string {
  if (typeof path === 'string' && isPath(path.replace(/\/$/, ''))) return path;
  throw invalidArgument('a path', path, 'a path in the repository, without . or .. in it');
}

export function checkPaths(paths: readonly string[]): string[] {
  if (!Array.isArray(paths)) throw invalidArgument('files', paths, 'a list of paths');
  return paths.map(checkPath);
}

/** The text without the passwords of URLs, for logs and messages. */
export function stripCredentials(text: string): string {
  return text.replaceAll(/(\w:\/\/)[^\s/]*@/g, '$1');
}

function isPath(text: unknown): text is string {
  if (typeof text !== 'string' || !PRINTABLE.test(text)) return false;
  return !text.startsWith('-') && !text.split('/').some(part => NO_NAMES.has(part.toLowerCase()));
}

/** The rules of `git check-ref-format`. */
function isRefPath(text: string): boolean {
  if (!isPath(text) || text === '@' || /[\s~^:?*[]|\.\.|@\{|\.$/.test(text)) return false;
  return !text.split('/').some(part => part.startsWith('.') || part.endsWith('.lock'));
}
