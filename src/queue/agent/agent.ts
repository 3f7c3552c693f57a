/**
 * The agent: resident on the drone for as long as its link stands, never longer. Frames come in on stdin; answers,
 * warnings and output go out on stdout. Calls run here (built-in methods) or in the thread of a user's own module.
 */
import { decode, encode } from '../wire/codec/codec.js';
import { decodeCredit } from '../wire/credits.js';
import { FrameReader } from '../wire/frames.js';
import {
  FrameType,
  PROTOCOL_VERSION,
  type AgentConfig,
  type CallHead,
  type ReadyReport,
  type UtilityModule,
} from '../wire/messages.js';
import { Batches } from './batches.js';
import { builtIns, isBuiltIn } from './built-ins.js';
import { Cancelled, type AgentContext } from './call-context.js';
import { describe, failed, messageOf, returned, type Outcome } from './outcome.js';
import { Outputs } from './outputs.js';
import { KILL_WAIT_MS, killGroupsNow } from '../../process/process-group.js';
import { Silence } from './silence.js';
import { Stdio } from './stdio.js';
import { Transfers } from './transfers.js';
import { UtilityHost } from './utility-host.js';

const NO_BATCH = 0;
/** A method ends its own processes within grace and KILL_WAIT_MS; then it is given so much to say so. */
const SETTLE_MS = 200;

export class Agent {
  readonly #bundle: string;
  readonly #stdio = new Stdio({
    data: chunk => {
      this.#receive(chunk);
    },
    end: () => {
      this.#end(0);
    },
  });
  readonly #reader = new FrameReader((type, batch, index, payload) => {
    this.#take(type, batch, index, payload);
  });
  readonly #silence = new Silence(() => {
    this.#end(0);
  });
  readonly #batches = new Batches({
    execute: (batch, index, call, running) => this.#execute(batch, index, call, running.signal),
    answer: (batch, index, outcome) => {
      this.#send(outcome.type, batch, index, outcome.payload);
      // Out before the next call starts: that one may be the end of the agent, or of its machine.
      this.#stdio.flush();
      return this.#stdio.drained();
    },
    cancelWaitMs: () => this.#config.killGraceMs + KILL_WAIT_MS + SETTLE_MS,
  });
  readonly #outputs = new Outputs({
    send: (batch, index, payload) => {
      this.#send(FrameType.Output, batch, index, payload);
    },
    congested: () => this.#stdio.congested,
    drained: () => this.#stdio.drained(),
  });
  readonly #transfers = new Transfers({
    send: (type, batch, index, payload) => {
      this.#send(type, batch, index, payload);
    },
    drained: () => this.#stdio.drained(),
  });
  readonly #utilities = new Map<string, UtilityHost>();
  #config: AgentConfig = { env: {}, killGraceMs: 2000, linkSilenceMs: 120_000 };
  #ending = false;

  constructor(bundle: string) {
    this.#bundle = bundle;
  }

  start(): void {
    process.on('uncaughtException', error => {
      this.#crash(error);
    });
    // A terminal sends these to all that run in it, the local agent too; whether to stop is the controller's decision,
    // and the end of stdin tells.
    process.on('SIGINT', () => undefined);
    process.on('SIGHUP', () => undefined);
    process.on('SIGTERM', () => {
      this.#end(0);
    });
    this.#silence.start(this.#config.linkSilenceMs);
    this.#stdio.open();
    const ready: ReadyReport = { protocol: PROTOCOL_VERSION, pid: process.pid, nodeVersion: process.version };
    this.#send(FrameType.Ready, NO_BATCH, 0, encode(ready));
  }

  #receive(chunk: Uint8Array): void {
    if (this.#ending) return;
    this.#silence.heard();
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#warn(NO_BATCH, 0, `the agent ends: what it was sent makes no sense: ${messageOf(error)}`);
      this.#end(1);
    }
  }

  #take(type: number, batch: number, index: number, payload: Uint8Array): void {
    switch (type) {
      case FrameType.Config:
        this.#config = decode(payload) as AgentConfig;
        Object.assign(process.env, this.#config.env);
        this.#silence.start(this.#config.linkSilenceMs);
        return;
      case FrameType.Utility: {
        const module = decode(payload) as UtilityModule;
        this.#utilities.set(module.id, new UtilityHost(module, this.#bundle, this.#warnOf));
        return;
      }
      case FrameType.Call:
        this.#batches.add(batch, index, payload);
        return;
      case FrameType.Cancel:
        this.#batches.cancel(batch, index);
        return;
      case FrameType.Credit:
        // Of a call's output or of its file; who does not know the call takes no notice.
        this.#outputs.credit(batch, index, decodeCredit(payload));
        this.#transfers.take(type, batch, index, payload);
        return;
      case FrameType.Data:
      case FrameType.DataEnd:
        this.#transfers.take(type, batch, index, payload);
        return;
      case FrameType.Ping:
        this.#send(FrameType.Pong, batch, index);
        return;
      default:
        this.#warn(NO_BATCH, 0, `the agent does not know frames of type ${String(type)}; it left one out`);
    }
  }

  async #execute(batch: number, index: number, call: CallHead, signal: AbortSignal): Promise<Outcome> {
    const { method, utility } = call;
    if (!isBuiltIn(method)) {
      const host = this.#utilities.get(utility);
      if (host !== undefined) return await callIn(host, batch, call, signal);
      const why = utility === '' ? 'the drone has no utility module of its own' : `${utility} was never sent`;
      return failed('call', withCode(`there is no built-in method ${describe(method)}, and ${why}`, 'ERR_NO_METHOD'));
    }
    const context: AgentContext = {
      signal,
      killGraceMs: this.#config.killGraceMs,
      output: call.streams ? this.#outputs.open(batch, index, signal) : undefined,
      warn: message => {
        this.#warn(batch, index, message);
      },
      openTransfer: order => this.#transfers.open(batch, index, order),
    };
    try {
      return returned(await builtIns[method](context, ...listOf(method, decode(call.args))));
    } catch (error) {
      if (error instanceof Cancelled) throw error;
      if (!call.isKill) return failed('call', error);
      context.warn(`processes could not be killed: ${messageOf(error)}`);
      return returned([]);
    } finally {
      this.#outputs.close(batch);
    }
  }

  readonly #warnOf = (batch: number, message: string): void => {
    this.#warn(batch, 0, message);
  };

  #warn(batch: number, index: number, message: string): void {
    this.#send(FrameType.Warning, batch, index, encode(message));
  }

  #send(type: FrameType, batch: number, index: number, payload?: Uint8Array): void {
    this.#stdio.send(type, batch, index, payload);
  }

  /** Takes no more calls, ends what runs, and exits: nothing that an agent does is to outlive its link. */
  #end(exitCode: number): void {
    if (this.#ending) return;
    this.#ending = true;
    // A link that is jammed for good must not keep anything waiting.
    this.#stdio.close();
    this.#transfers.close();
    const ended = this.#batches
      .stop()
      .then(() => Promise.all([...this.#utilities.values()].map(host => host.retire())));
    void ended.then(ends => {
      killGroupsNow();
      // exit() waits for threads, and a thread in a synchronous system call does not end.
      if (ends.includes(false)) process.kill(process.pid, 'SIGKILL');
      process.exit(exitCode);
    });
  }

  /** A fault of the agent itself. There is no telling what still works, so nothing is waited for. */
  #crash(error: unknown): void {
    killGroupsNow();
    this.#warn(NO_BATCH, 0, `the agent crashed: ${describe(error)}`);
    this.#stdio.flush();
    // As above; whether a thread would let it exit is among what cannot be told.
    if (this.#utilities.size > 0) process.kill(process.pid, 'SIGKILL');
    process.exit(1);
  }
}

/** Where no thread can be had, at the limit of a user's processes, it is the call that fails, as with a command. */
async function callIn(host: UtilityHost, batch: number, call: CallHead, signal: AbortSignal): Promise<Outcome> {
  try {
    return await host.call(batch, call.method, call.args, signal);
  } catch (error) {
    if (error instanceof Cancelled) throw error;
    return failed('call', error);
  }
}

function listOf(method: string, args: unknown): unknown[] {
  if (Array.isArray(args)) return args;
  throw new TypeError(`${method}: the arguments must be a list, got ${describe(args)}`);
}

function withCode(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
