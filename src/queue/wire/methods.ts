/** The methods that every agent can run, and the type machinery that makes queueCall know them. */
import type { ProcessInfo } from '../../process/process-table.js';

/** What a finished command gives. A non-zero exit is a result, not a failure, unless the call has `check`. */
export interface RunResult {
  /** Null when a signal ended the command. */
  readonly exitCode: number | null;
  /** Name of the signal that ended the command, such as `SIGKILL`; null when it exited. */
  readonly signal: string | null;
  /**
   * Decoded as UTF-8; when truncated, the head and the tail with a line between them that names the bytes left out.
   * Empty when the output was streamed (`onOutput`, `call.output()`) and `maxOutputBytes` was not given.
   */
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
  /**
   * Whether `stdout` or `stderr` holds less than the command wrote: it wrote more than `maxOutputBytes`, or it wrote
   * something that was streamed and not kept.
   */
  readonly truncated: boolean;
  /** What was written in all, kept or not. */
  readonly totalBytes: { readonly stdout: number; readonly stderr: number };
}

/** How `run` runs a command. */
export interface RunOptions {
  /** Working directory on the drone. Default: the agent's, which is the user's home over SSH. */
  cwd?: string | undefined;
  /** Added to the agent's environment. */
  env?: Readonly<Record<string, string>> | undefined;
  /** Written to the command's stdin, which is then closed. Default: an empty stdin. */
  stdin?: string | Uint8Array | undefined;
  /**
   * Kept per stream, half of it head and half tail. Default 1 MiB (1,048,576 bytes), or nothing of an output that is
   * streamed (`onOutput`, `call.output()`); at most 16,000,000.
   */
  maxOutputBytes?: number | undefined;
  /**
   * Whether anything but exit status 0 is a failure of kind `call`: `cause.code` is `ERR_EXIT_STATUS` and `DroneError.result`
   * holds the RunResult. Later calls of the batch then do not run. Default false.
   */
  check?: boolean | undefined;
}

/** Names a process on a drone. */
export interface ProcessId {
  readonly hostname: string;
  readonly pid: number;
}

/** How `executeCommand` starts a command. */
export interface ExecuteCommandOptions {
  /** Made when missing. */
  workingDirectory: string;
  /** Both streams are appended to it, under a header with the date; relative to `workingDirectory`. Default: discarded. */
  logFile?: string | undefined;
  /** A plain file name in `workingDirectory`: holds the pid, and one more line with the exit status once the command has ended. */
  pidfileName: string;
  env?: Readonly<Record<string, string>> | undefined;
}

/** What `refresh` found on a drone. */
export interface RefreshResult {
  /** Contents by path, of a file of more than 4 KiB the first 4,097 bytes; what is missing or no plain file is left out. */
  readonly pidfiles: Record<string, string>;
  /** All that run; those that have ended and were not waited for (zombies) are left out. */
  readonly processes: ProcessInfo[];
  /** Read again after the processes, which distinguishes a process that ended in between from one that vanished. */
  readonly pidfilesSecondRead: Record<string, string>;
  /** Paths of which one of the reads failed, with its code, such as `EIO`: nothing is known of what is there. */
  readonly unreadable?: Readonly<Record<string, string>> | undefined;
}

/** How a transfer runs. */
export interface TransferOptions {
  /**
   * A transfer that fails does not fail its batch: its value says why (`failure`), and so does a note in a file beside the
   * destination, named as it with `.transfer_failed` added; the next one that succeeds with this option removes the note.
   * Default false. What ends the batch by itself (a lost connection, a cancel, a time-out) ends it still.
   */
  tolerateFailure?: boolean | undefined;
}

/** How a single file is transferred. */
export interface FileTransferOptions extends TransferOptions {
  /** Permissions of the new file, from 0 to 0o777. Default: those of the source. */
  mode?: number | undefined;
}

/** What a transfer has brought. */
export interface FileTransferResult {
  /** Contents of files. With `failure`: as far as it came, here and below. */
  readonly bytes: number;
  readonly files: number;
  /** Made, or found to be there; the one that the call names among them. */
  readonly folders: number;
  readonly links: number;
  /** Paths of the source that are neither file nor folder nor link (sockets, devices, pipes), the first 100 of them. */
  readonly leftOut: readonly string[];
  /** Only with `tolerateFailure`: why it failed. */
  readonly failure?: FileTransferFailure | undefined;
}

/** Why a transfer with `tolerateFailure` failed. */
export interface FileTransferFailure {
  /** On whose machine it failed. */
  readonly side: 'controller' | 'drone';
  /** The system's, such as `ENOENT` or `ENOSPC`, or one that starts with `ERR_`. */
  readonly code: string;
  readonly message: string;
}

/** Built-in methods, the same on every drone: localhost and SSH. */
export interface UtilityMethods {
  /** Runs `/bin/sh -c command` in a process group of its own; settles at its exit plus a short drain of its output. */
  run(command: string, options?: RunOptions): RunResult;
  /** Makes `resultsDir` if it is missing, and `resultsDir/drone_tmp` empty. */
  initialize(resultsDir: string): void;
  /** Starts a command (no shell) that lives on by itself, in its own process group. */
  executeCommand(command: readonly string[], options: ExecuteCommandOptions): { pid: number };
  /** Reads pidfiles and the process table. */
  refresh(pidfilePaths: readonly string[]): RefreshResult;
  /** Ends process groups: TERM, then KILL after the queue's `killGraceMs`. A process that is gone already counts as killed. */
  killProcesses(list: readonly ProcessId[]): { pid: number; killed: boolean }[];
  /**
   * Replaces a file at once and whole: a reader sees the old contents or the new. Keeps the mode of one that is there;
   * makes its folder. Throws with the code `EISDIR` for a folder.
   */
  writeFile(path: string, contents: string | Uint8Array): void;
  /** Appends to a file; makes it, and its folder, when missing. */
  appendToFile(path: string, contents: string | Uint8Array): void;
  /**
   * Copies a file, a folder or a link on the drone, with links, modes, times and owners. Where the copy goes: see putFile.
   * A slash at the end of `source` follows a link and refuses a file. Onto itself: nothing happens. `~/` is the home in both.
   */
  copyFileOrDirectory(source: string, destination: string): void;
  /**
   * Copies a file of the controller to the drone, as one of any size: mode and mtime are kept, parent folders made. It
   * takes its place whole, by a rename; what fails or is cancelled leaves the old file, and no partial one. A link there
   * is replaced, a folder, a device or the like refused. Where the copy goes, here and with all methods that copy: to the
   * destination itself; where that ends with a slash, into that folder, under the source's name. Local paths are relative to the controller's working directory, remote ones to the
   * agent's (over SSH the home); `~/` is the home on either side.
   *
   * Throws with the system's `code` when a file cannot be read or written; the message says on which side.
   */
  putFile(localPath: string, remotePath: string, options?: FileTransferOptions): FileTransferResult;
  /** As putFile, from the drone to the controller. */
  getFile(remotePath: string, localPath: string, options?: FileTransferOptions): FileTransferResult;
  /**
   * Copies a folder of the controller to the drone; one that is there takes in what the source has. Each file is
   * copied as putFile does, links as links, empty folders too. What is there and not in the source stays, and a folder
   * that is there keeps its mode. A failure leaves what was copied by then.
   */
  putDirectory(localDir: string, remoteDir: string, options?: TransferOptions): FileTransferResult;
  /** As putDirectory, from the drone to the controller: whatever the drone sends, nothing outside of `localDir` is touched. */
  getDirectory(remoteDir: string, localDir: string, options?: TransferOptions): FileTransferResult;
}

/**
 * What carries out the built-in methods, by name; each gets `C` before its arguments. These are as they came over the wire:
 * each method checks its own.
 */
export type MethodTable<C> = {
  readonly [K in keyof UtilityMethods]: (of: C, ...args: unknown[]) => Promise<ReturnType<UtilityMethods[K]>>;
};

/** Names of the methods of `M`, an interface or a module type: its function-valued keys. */
export type MethodName<M> = { [K in keyof M]: M[K] extends (...args: never[]) => unknown ? K : never }[keyof M] &
  string;
/** Arguments of method `K`. */
export type MethodArgs<M, K extends keyof M> = M[K] extends (...args: infer A) => unknown ? A : never;
/** What method `K` gives, awaited. */
export type MethodResult<M, K extends keyof M> = M[K] extends (...args: never[]) => infer R ? Awaited<R> : never;
