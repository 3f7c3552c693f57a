/** What one refresh found on a drone: it reads the pidfiles, lists the processes and reads the pidfiles again. */
import { invalidArgument } from '../option/invalid-argument.js';
import type { ProcessInfo } from '../process/process-table.js';
import { parsePidfile, type PidfileContents } from './pidfile-contents.js';

/** A process on a drone. */
export interface DroneProcess extends ProcessInfo {
  readonly hostname: string;
}

export class Snapshot {
  /** Start of the refresh on the manager's clock: the snapshot's contents are younger. */
  readonly askedAtMs: number;
  readonly #processes = new Map<number, DroneProcess>();
  readonly #firstRead: ReadonlyMap<string, string>;
  readonly #secondRead: ReadonlyMap<string, string>;
  readonly #unreadable: ReadonlyMap<string, string>;

  /** Throws a TypeError (`ERR_INVALID_ARG`) for a malformed value, as it comes from a drone. */
  constructor(hostname: string, askedAtMs: number, value: unknown) {
    const { pidfiles, processes, pidfilesSecondRead, unreadable = {} } = objectIn('what refresh returned', value);
    this.askedAtMs = askedAtMs;
    this.#firstRead = textsIn('pidfiles', pidfiles);
    this.#secondRead = textsIn('pidfilesSecondRead', pidfilesSecondRead);
    this.#unreadable = textsIn('unreadable', unreadable);
    if (!Array.isArray(processes)) throw invalidArgument('processes', processes, 'a list');
    for (const entry of processes as readonly unknown[]) {
      const process = processIn(hostname, entry);
      this.#processes.set(process.pid, process);
    }
  }

  get processes(): Iterable<DroneProcess> {
    return this.#processes.values();
  }

  process(pid: number): DroneProcess | undefined {
    return this.#processes.get(pid);
  }

  contents(path: string, secondRead: boolean): PidfileContents {
    const text = (secondRead ? this.#secondRead : this.#firstRead).get(path);
    const code = this.#unreadable.get(path);
    return text === undefined && code !== undefined ? { kind: 'unreadable', code } : parsePidfile(text);
  }

  /** Whether the two reads of the pidfile differ. */
  changedMeanwhile(path: string): boolean {
    return this.#firstRead.get(path) !== this.#secondRead.get(path);
  }
}

function objectIn(field: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw invalidArgument(field, value, 'an object');
  return value as Record<string, unknown>;
}

function textsIn(field: string, value: unknown): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [path, text] of Object.entries(objectIn(field, value))) {
    if (typeof text !== 'string') throw invalidArgument(`${field}[${JSON.stringify(path)}]`, text, 'a string');
    texts.set(path, text);
  }
  return texts;
}

function processIn(hostname: string, value: unknown): DroneProcess {
  const { pid, ppid, pgid, comm, args } = objectIn('a process', value);
  for (const [field, number] of Object.entries({ pid, ppid, pgid })) {
    if (!Number.isSafeInteger(number)) throw invalidArgument(`a process's ${field}`, number, 'an integer');
  }
  for (const [field, text] of Object.entries({ comm, args })) {
    if (typeof text !== 'string') throw invalidArgument(`a process's ${field}`, text, 'a string');
  }
  return { hostname, pid, ppid, pgid, comm, args } as DroneProcess;
}
