/**
 * The map of the core, in the order a call travels:
 *
 *     Drone.queueCall ─► TaskQueue.execute ─► rounds (the rules) ─► ledger (who is out) ─► runner
 *       ─► [worker thread: thread ─► dispatcher ─► link ─► transport] ─► [drone: agent ─► utility]
 *       ─► back as frames to the ledger ─► DroneResults, or DroneTaskQueueException
 */
export { AnyDrone, compareLoad, Drone, type CallQueuer, type CallTarget } from './queue/drone/drone.js';
export { LocalDrone, type LocalDroneOptions } from './queue/drone/local-drone.js';
export { type FromSshConfigOptions, SshDrone, type SshDroneOptions } from './queue/drone/ssh-drone.js';
export type { AlgorithmOptions } from './queue/transport/ssh/algorithms.js';
export type { AnswerOptions, KeyboardChallenge } from './queue/transport/ssh/prompt-answers.js';
export type { AgentUse, HostKeys, SshOptions } from './queue/transport/ssh/ssh-endpoint.js';
export { getDrone } from './queue/drone/get-drone.js';

export {
  type Call,
  type CallDefaults,
  type CallOptions,
  type CallValue,
  type DroneValues,
  entriesOf,
  type TransferProgress,
} from './queue/drone/call.js';
export type { OutputChunk } from './queue/drone/call-output.js';
export type {
  MethodArgs,
  ExecuteCommandOptions,
  FileTransferFailure,
  FileTransferOptions,
  FileTransferResult,
  MethodName,
  ProcessId,
  RefreshResult,
  MethodResult,
  RunOptions,
  RunResult,
  TransferOptions,
  UtilityMethods,
} from './queue/wire/methods.js';
export type { ProcessInfo } from './process/process-table.js';

export type {
  Abandoned,
  CloseOptions,
  CloseReport,
  DroneWorker,
  RoundOptions,
  RoundOutcome,
  StartedRound,
  TaskQueue,
} from './queue/task-queue.js';
export type { KickOutOptions, LeftoversRule, RetryOptions, StopOn, TaskQueueOptions } from './queue/queue-options.js';
export type { KickedOut } from './queue/round/kick-out.js';
export { DroneTaskQueue } from './queue/drone-task-queue.js';
export { ThreadedTaskQueue, type ThreadedTaskQueueOptions } from './queue/threaded-task-queue.js';
export { copyBetweenDrones, type CopyBetweenDronesOptions, type DronePath } from './queue/copy-between-drones.js';
export type { Phase } from './queue/wire/messages.js';

export {
  DroneError,
  type DroneErrorCauseCode,
  type DroneErrorFacts,
  type DroneResults,
  DroneTaskQueueException,
  type DroneTaskQueueExceptionCode,
} from './queue/drone/drone-error.js';
export type { DroneErrorKind } from './queue/drone/error-kinds.js';

export type { Subscribe } from './report/channel.js';
export type { Log } from './report/log.js';
export type { StatsClient, StatsServer, StatsTarget } from './report/metrics-target.js';
export {
  type DroneKickedOut,
  type DroneReadmitted,
  type DroneRetry,
  type DroneWarning,
  type EventMessages,
  type EventName,
  events,
  subscribe,
  type FileProgress,
  type LinkClose,
  type LinkOpen,
  type RoundEnd,
  type RoundStart,
  type ThreadLost,
  type WorkerException,
  type WorkerFinish,
  type WorkerSlow,
  type WorkerStart,
} from './queue/events.js';
