/** The kinds of failure and the consequences of each. */

/**
 * Why a drone's batch did not finish. Each entry states what happened, which calls ran, and what to do.
 *
 * - `unreachable`: no connection: refused, no route, unknown name, or dropped before the login. Nothing ran. Try again
 *   in the next round.
 * - `auth`: the server accepted none of the configured credentials, or a passphrase or answer is missing. Nothing ran.
 *   Correct the credentials; the message lists what was tried.
 * - `host-key`: the host key is unknown, changed, revoked, too short or not the pinned one. Nothing ran, and no
 *   credential was sent to that host. Check the key, then record it.
 * - `bootstrap`: the login succeeded but no agent came up: no `node`, a version older than 18, a login script that
 *   prints too much or exits, or an unusable utility module. Nothing ran. Install Node, or set `agentCommand` or
 *   `agent`.
 * - `call`: a call threw. It ran; later calls did not start. Handle `cause` like any exception.
 * - `not-cloneable`: a call returned a value that cannot be sent. It ran; later calls did not start. Return plain data.
 * - `timeout`: a deadline passed; `phase` and `causeCode` show which one. Before phase `call`, nothing ran; in that
 *   phase, `call` ran in part or, if the agent does not react, all calls without an answer may have run. See `killed`
 *   and `output`, then try again or raise the limit.
 * - `cancelled`: an AbortSignal or `close` ended the batch. As for `timeout`. Nothing to correct.
 * - `lost`: the connection or the agent went away during the batch. All calls without an answer may have run. Check on
 *   the drone, then decide; mark calls that may run twice as `idempotent`.
 * - `protocol`: the drone sent data that the agent never sends. In phase `call`, all calls without an answer may have
 *   run; before that phase, nothing ran. Look for a program that writes to the agent's stdout; if there is none, report
 *   a bug.
 * - `worker-lost`: the worker thread died, hung or could not start. Calls that were sent may have run. See `cause`; the
 *   next round gets a new thread.
 * - `callback`: the caller's own `onOutput` or `onProgress` threw. `call` ran, in part or in full; later calls did not
 *   start. Correct the callback.
 * - `not-contacted`: `stopOn` stopped the round before anything was sent to the drone. Nothing ran. Look at the other
 *   failures.
 * - `kicked-out`: the drone kept failing, and rounds skip it; `cause` is its last DroneError. Nothing ran. Wait until a
 *   probe succeeds, or try `queue.call`.
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

/** What a failure shows of its drone: it answers, it does not, or nothing. */
export type SignOfLife = 'answers' | 'silent' | 'none';

interface ErrorKind {
  /** When the queue retries, where that is safe. `never`: the next attempt would end the same way. */
  readonly retry: 'default' | 'with option' | 'never';
  /** It counts towards `stopOn`. */
  readonly stopOn: boolean;
  /** For `kickOut`: `silent` counts, `answers` begins the count anew. sign-of-life.ts knows the exceptions. */
  readonly sign: SignOfLife;
  /** What a scheduler blames for it. */
  readonly blames: 'drone' | 'call' | 'nothing';
  /** It ends the running call, which `DroneError.call` then names. */
  readonly endsCall: boolean;
  /** An idempotent call that it ended returns to the drone's queue, unless the outcome is known. */
  readonly goesBack: boolean;
}

// prettier-ignore
export const ERROR_KINDS: Readonly<Record<DroneErrorKind, ErrorKind>> = {
  'unreachable':   { retry: 'with option', stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'auth':          { retry: 'never',       stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'host-key':      { retry: 'never',       stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'bootstrap':     { retry: 'with option', stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'call':          { retry: 'with option', stopOn: true,  sign: 'answers', blames: 'call',   endsCall: true,  goesBack: false },
  'not-cloneable': { retry: 'never',       stopOn: true,  sign: 'answers', blames: 'call',   endsCall: true,  goesBack: false },
  'timeout':       { retry: 'with option', stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: true,  goesBack: true },
  'cancelled':     { retry: 'never',       stopOn: false, sign: 'none',    blames: 'call',   endsCall: true,  goesBack: true },
  'lost':          { retry: 'default',     stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'protocol':      { retry: 'never',       stopOn: true,  sign: 'silent',  blames: 'drone',  endsCall: false, goesBack: true },
  'worker-lost':   { retry: 'with option', stopOn: true,  sign: 'none',    blames: 'drone',  endsCall: false, goesBack: true },
  'callback':      { retry: 'never',       stopOn: true,  sign: 'none',    blames: 'call',   endsCall: true,  goesBack: false },
  'not-contacted': { retry: 'never',       stopOn: false, sign: 'none',    blames: 'nothing', endsCall: false, goesBack: true },
  'kicked-out':    { retry: 'never',       stopOn: false, sign: 'none',    blames: 'drone',  endsCall: false, goesBack: true },
};
