/** The methods that every agent can run, and the type machinery that makes queueCall know them. */
import type { ProcessInfo } from '../../process/process-table.js';

/** The result of a finished command. A non-zero exit is a result, not a failure, unless the call has `check`. */
export interface RunResult {
  /** Null if a signal ended the command. */
  readonly exitCode: number | null;
  /** Name of the signal that ended the command, such as `SIGKILL`; null if the command exited. */
  readonly signal: string | null;
  /**
   * Output decoded as UTF-8; if truncated, the head and the tail with a line between them that states how many bytes
   * were omitted. Empty if the output was streamed (`onOutput`, `call.output()`) and `maxOutputBytes` was not given.
   */
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
  /**
   * Whether `stdout` or `stderr` holds less than the command wrote, because it wrote more than `maxOutputBytes` or
   * because output was streamed and not kept.
   */
  readonly truncated: boolean;
  /** Total bytes written, whether kept or not. */
  readonly totalBytes: { readonly stdout: number; readonly stderr: number };
}

/** Options of `run`. */
export interface RunOptions {
  /** Working directory on the drone. Default: the agent's, which over SSH is the user's home directory. */
  cwd?: string | undefined;
  /** Added to the agent's environment. */
  env?: Readonly<Record<string, string>> | undefined;
  /** Written to the command's stdin, which is then closed. Default: an empty stdin. */
  stdin?: string | Uint8Array | undefined;
  /**
   * Bytes kept per stream, half of them from the head and half from the tail. Default 1 MiB (1,048,576 bytes), or
   * nothing if the output is streamed (`onOutput`, `call.output()`); at most 16,000,000.
   */
  maxOutputBytes?: number | undefined;
  /**
   * Whether any exit status other than 0 is a failure of kind `call`: `cause.code` is `ERR_EXIT_STATUS`,
   * `DroneError.result` holds the RunResult, and later calls of the batch do not run. Default false.
   */
  check?: boolean | undefined;
}

/** Names a process on a drone. */
export interface ProcessId {
  readonly hostname: string;
  readonly pid: number;
}

/** Options of `executeCommand`. */
export interface ExecuteCommandOptions {
  /** Created if missing. */
  workingDirectory: string;
  /**
   * File to which both output streams are appended, under a header with the date; relative to `workingDirectory`.
   * Default: output is discarded.
   */
  logFile?: string | undefined;
  /**
   * A plain file name in `workingDirectory`. The file holds the pid and, once the command has ended, a second line with
   * the exit status.
   * While the command that it names still runs, the call fails with the code `EEXIST`.
   */
  pidfileName: string;
  env?: Readonly<Record<string, string>> | undefined;
}

/** What `refresh` found on a drone. */
export interface RefreshResult {
  /**
   * Contents by path; only the first 4,097 bytes of a file larger than 4 KiB. Missing files, and paths that are not
   * plain files, are omitted.
   */
  readonly pidfiles: Record<string, string>;
  /** All running processes; processes that have ended but have not been waited for (zombies) are omitted. */
  readonly processes: ProcessInfo[];
  /** Contents read again after the processes, to distinguish a process that ended in between from one that vanished. */
  readonly pidfilesSecondRead: Record<string, string>;
  /** Paths that could not be read, each with the error's code, such as `EIO`: their contents are unknown. */
  readonly unreadable?: Readonly<Record<string, string>> | undefined;
}

/** Options of a transfer. */
export interface TransferOptions {
  /**
   * Whether the batch continues if the transfer fails: the value then holds the reason (`failure`), and so does a note
   * beside the destination, in a file of the same name plus `.transfer_failed`; the next transfer that succeeds with
   * this option removes the note. Default false. A lost connection, a cancellation or a timeout still ends the batch.
   */
  tolerateFailure?: boolean | undefined;
}

/** Options of a single file's transfer. */
export interface FileTransferOptions extends TransferOptions {
  /** Permissions of the new file, from 0 to 0o777. Default: those of the source. */
  mode?: number | undefined;
}

/** The result of a transfer. */
export interface FileTransferResult {
  /** Bytes of file contents. With `failure`, this and the counts below show how far the transfer got. */
  readonly bytes: number;
  readonly files: number;
  /** Directories that were created or already existed, including the one that the call names. */
  readonly directories: number;
  readonly links: number;
  /** The first 100 paths of the source that are not files, directories or links (sockets, devices, pipes). */
  readonly leftOut: readonly string[];
  /** Only with `tolerateFailure`: why the transfer failed. */
  readonly failure?: FileTransferFailure | undefined;
}

/** Why a transfer with `tolerateFailure` failed. */
export interface FileTransferFailure {
  /** The side on which it failed. */
  readonly side: 'controller' | 'drone';
  /** The system's code, such as `ENOENT` or `ENOSPC`, or a code that starts with `ERR_`. */
  readonly code: string;
  readonly message: string;
}

/** Built-in methods, the same on every drone, local or over SSH. */
export interface UtilityMethods {
  /**
   * Runs `/bin/sh -c command` in its own process group; settles when the shell has exited and its output has been read
   * for a short time.
   */
  run(command: string, options?: RunOptions): RunResult;
  /** Creates `resultsDir` if it is missing, with an empty `resultsDir/drone_tmp`. */
  initialize(resultsDir: string): void;
  /** Starts a command, without a shell, that outlives the call, in its own process group. */
  executeCommand(command: readonly string[], options: ExecuteCommandOptions): { pid: number };
  /** Reads pidfiles and the process table. */
  refresh(pidfilePaths: readonly string[]): RefreshResult;
  /**
   * Ends process groups: TERM, then KILL after the queue's `killGraceMs`. A process that is already gone counts as
   * killed.
   */
  killProcesses(list: readonly ProcessId[]): { pid: number; killed: boolean }[];
  /**
   * Replaces a file in one step: a reader sees either the old or the new contents. Keeps the mode of an existing file;
   * creates its directory if needed. Throws with the code `EISDIR` if the path is a directory.
   */
  writeFile(path: string, contents: string | Uint8Array): void;
  /** Appends to a file; creates the file and its directory if they are missing. */
  appendToFile(path: string, contents: string | Uint8Array): void;
  /**
   * Copies a file, a directory or a link on the drone, with links, modes, times and owners. See putFile for where the
   * copy goes. A slash at the end of `source` follows a link and refuses a file. Copying something onto itself does
   * nothing. `~/` is the home directory in both paths.
   */
  copyFileOrDirectory(source: string, destination: string): void;
  /**
   * Copies a file of any size from the controller to the drone. Mode and mtime are kept; parent directories are
   * created. The file appears complete, through a rename; a failed or cancelled transfer leaves the old file and no
   * partial one. A link at the destination is replaced; a directory, a device or the like is refused. This method and
   * all others that copy write to the destination itself or, if that ends with a slash, into that directory under the
   * source's name. Local paths are relative to the controller's working directory, remote ones to the agent's (over
   * SSH, the home directory); `~/` is the home directory on either side.
   *
   * Throws with the system's `code` if a file cannot be read or written; the message names the side.
   */
  putFile(localPath: string, remotePath: string, options?: FileTransferOptions): FileTransferResult;
  /** Like putFile, but from the drone to the controller. */
  getFile(remotePath: string, localPath: string, options?: FileTransferOptions): FileTransferResult;
  /**
   * Copies a directory from the controller to the drone; if the destination exists, the contents are added to it. Each
   * file is copied as by putFile, links are copied as links, and empty directories are copied, too. Entries that are
   * not in the source stay, and existing directories keep their mode. After a failure, everything copied by then
   * remains.
   */
  putDirectory(localDir: string, remoteDir: string, options?: TransferOptions): FileTransferResult;
  /**
   * Like putDirectory, but from the drone to the controller: whatever the drone sends, nothing outside `localDir` is
   * touched.
   */
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
/** The awaited result of method `K`. */
export type MethodResult<M, K extends keyof M> = M[K] extends (...args: never[]) => infer R ? Awaited<R> : never;
