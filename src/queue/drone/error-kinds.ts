/** The kinds of failure, and what follows from each: the one place where code decides by kind. */

/**
 * Why a drone's batch did not finish.
 *
 * | kind | meaning |
 * |---|---|
 * | `unreachable` | no connection: refused, no route, no such name, dropped before the login |
 * | `auth` | the drone refused every way to log in that was configured |
 * | `host-key` | the host key is unknown, changed, revoked or not the pinned one |
 * | `bootstrap` | logged in, but no agent came up: no `node`, too old a `node`, or noise |
 * | `call` | a call threw |
 * | `not-cloneable` | a call returned what cannot be sent |
 * | `timeout` | a deadline passed; `phase` says where |
 * | `cancelled` | an AbortSignal, or the closing of the queue, ended it |
 * | `lost` | the connection or the agent went away in mid-batch |
 * | `protocol` | what came from the drone was not our agent's language |
 * | `worker-lost` | the worker thread died |
 * | `callback` | the caller's own `onOutput` threw |
 * | `not-contacted` | the round was stopped by `stopOn` before anything was sent to the drone |
 * | `kicked-out` | it kept failing and is left alone: `cause` is its last DroneError, see the queue's option `kickOut` |
 */
export type DroneErrorKind =
  | 'unreachable'
  | 'auth'
  | 'host-key'
  | 'bootstrap'
  | 'call'
  | 'not-cloneable'
  | 'timeout'
  | 'cancelled'
  | 'lost'
  | 'protocol'
  | 'worker-lost'
  | 'callback'
  | 'not-contacted'
  | 'kicked-out';

/** What a failure shows of its drone: that it answers, that it does not, or nothing. */
export type SignOfLife = 'answers' | 'silent' | 'none';

interface ErrorKind {
  /** The option `retry` applies, where that is safe. Not so where the next attempt would end the same way. */
  readonly retry: boolean;
  /** It counts towards `stopOn`, as it says something about how the round goes. */
  readonly stopOn: boolean;
  /** For `kickOut`: `silent` counts, `answers` begins the count anew. sign-of-life.ts knows the exceptions. */
  readonly sign: SignOfLife;
  /** Whose failure a scheduler takes it for. */
  readonly blames: 'drone' | 'call' | 'nobody';
  /** It ends the call that was running, which `DroneError.call` then names. */
  readonly endsCall: boolean;
  /** An idempotent call that it ended goes back to the drone's queue unless its outcome is known. */
  readonly goesBack: boolean;
}

// prettier-ignore
export const ERROR_KINDS: Readonly<Record<DroneErrorKind, ErrorKind>> = {
  'unreachable':   { retry: true,  stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'auth':          { retry: false, stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'host-key':      { retry: false, stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'bootstrap':     { retry: true,  stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'call':          { retry: true,  stopOn: true,  sign: 'answers', blames: 'call',   endsCall: true,  goesBack: false },
  'not-cloneable': { retry: false, stopOn: true,  sign: 'answers', blames: 'call',   endsCall: true,  goesBack: false },
  'timeout':       { retry: true,  stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: true,  goesBack: true },
  'cancelled':     { retry: false, stopOn: false, sign: 'none',    blames: 'call',   endsCall: true,  goesBack: true },
  'lost':          { retry: true,  stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'protocol':      { retry: false, stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'worker-lost':   { retry: true,  stopOn: true,  sign: 'none',    blames: 'drone',  endsCall: false, goesBack: true },
  'callback':      { retry: false, stopOn: true,  sign: 'none',    blames: 'call',   endsCall: true,  goesBack: false },
  'not-contacted': { retry: false, stopOn: false, sign: 'none',    blames: 'nobody', endsCall: false, goesBack: true },
  'kicked-out':    { retry: false, stopOn: false, sign: 'none',    blames: 'drone',  endsCall: false, goesBack: true },
};
