/**
 * The map of the core, in the order a call travels:
 *
 *     Drone.queueCall ─► TaskQueue.execute ─► rounds (the rules) ─► ledger (who is out) ─► runner
 *       ─► [worker thread: thread ─► dispatcher ─► link ─► transport] ─► [drone: agent ─► utility]
 *       ─► back as frames to the ledger ─► DroneResults, or DroneTaskQueueException
 */
export { AnyDrone, compareLoad, Drone, type CallQueuer } from './drone/drone.js';
export { LocalDrone, type LocalDroneOptions } from './drone/local-drone.js';
export { type FromSshConfigOptions, SshDrone, type SshDroneOptions } from './drone/ssh-drone.js';
export type { AlgorithmOptions } from './ssh/algorithms.js';
export type { AnswerOptions, KeyboardChallenge } from './ssh/answers.js';
export type { AgentUse, HostKeys, SshOptions } from './ssh/endpoint.js';
export { getDrone } from './drone/get-drone.js';

export type { Call, CallOptions } from './drone/call.js';
export type { OutputChunk } from './drone/call-output.js';
export type {
  Args,
  ExecuteCommandOptions,
  FileTransferFailure,
  FileTransferOptions,
  FileTransferResult,
  MethodName,
  ProcessId,
  ProcessInfo,
  RefreshResult,
  Result,
  RunOptions,
  RunResult,
  TransferOptions,
  UtilityMethods,
} from './utility.js';

export type {
  Abandoned,
  CloseOptions,
  CloseReport,
  DroneWorker,
  RoundOptions,
  RoundOutcome,
  TaskQueue,
  TaskQueueOptions,
} from './task-queue.js';
export type { RetryOptions } from './round/retry-options.js';
export type { StopOn } from './round/stop-on.js';
export { RoundsTaskQueue } from './rounds-task-queue.js';
export type { KickOutOptions } from './round/kick-out-options.js';
export type { KickedOut } from './round/kick-out.js';
export { DroneTaskQueue } from './drone-task-queue.js';
export { ThreadedTaskQueue, type ThreadedTaskQueueOptions } from './threaded-task-queue.js';
export { copyBetweenDrones, type CopyBetweenDronesOptions, type DronePath } from './copy-between-drones.js';
export type { Phase } from './wire.js';

export {
  DroneError,
  type DroneErrorFacts,
  type DroneErrorKind,
  type DroneResults,
  DroneTaskQueueException,
  type DroneTaskQueueExceptionCode,
} from './drone-error.js';

export type { Log } from './log.js';
export type { StatsClient, StatsServer, StatsTarget } from './stats.js';
export {
  type CommandNotStarted,
  type DroneFresh,
  type DroneInitialized,
  type DroneKickedOut,
  type DroneReadmitted,
  type DroneRetry,
  type DroneStale,
  type DroneWarning,
  type EventMessages,
  type EventName,
  events,
  type FileProgress,
  type HeartbeatEnd,
  type LinkClose,
  type LinkOpen,
  type RoundEnd,
  type RoundStart,
  type ThreadLost,
  type TickEnd,
  type SectionEnd,
  type SectionRetry,
  type SectionSlow,
  type LayoutEnd,
  type TickStart,
  type WorkerException,
  type WorkerFinish,
  type WorkerSlow,
  type WorkerStart,
} from './events.js';
