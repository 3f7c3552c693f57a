/**
 * The agent: resident on the drone for as long as its link stands. Frames come in on stdin; answers, warnings and
 * output go out on stdout. Calls run here (built-in methods) or in the thread of a user's module.
 */
import { KILL_WAIT_MS, killGroupsNow } from '../../process/process-group.js';
import { decode } from '../wire/codec/codec.js';
import { type CallHead, FrameType, type UtilityModule } from '../wire/messages.js';
import { AgentCore } from './agent-core.js';
import { decodeArguments } from './arguments.js';
import { builtIns, isBuiltIn } from './built-ins.js';
import type { CallContext } from './call-context.js';
import { describe, messageOf, type Outcome, returned } from './outcome.js';
import { Silence } from './silence.js';
import { Stdio } from './stdio.js';
import { UtilityHost } from './utility-host.js';

/** A method ends its processes within the grace and KILL_WAIT_MS; then it has this long to answer. */
const SETTLE_MS = 200;

export class Agent {
  readonly #bundle: string;
  readonly #stdio = new Stdio({
    data: chunk => this.#receive(chunk),
    end: () => this.#end(0),
  });
  readonly #silence = new Silence(() => this.#end(0));
  readonly #core = new AgentCore({
    link: this.#stdio,
    execute: (call, context, batch) => this.#execute(call, context, batch),
    cancelWaitMs: ({ killGraceMs }) => killGraceMs + KILL_WAIT_MS + SETTLE_MS,
    configured: ({ env, linkSilenceMs }) => {
      Object.assign(process.env, env);
      this.#silence.start(linkSilenceMs);
    },
    take: (type, _batch, _index, payload) => {
      if (type !== FrameType.Utility) return false;
      const module = decode(payload) as UtilityModule;
      this.#utilities.set(module.id, new UtilityHost(module, this.#bundle, this.#warnOf));
      return true;
    },
  });
  readonly #utilities = new Map<string, UtilityHost>();
  #ending = false;

  constructor(bundle: string) {
    this.#bundle = bundle;
  }

  start(): void {
    process.on('uncaughtException', error => this.#crash(error));
    // A terminal sends these to all processes in it. The controller decides whether to stop, and ends stdin then.
    process.on('SIGINT', () => undefined);
    process.on('SIGHUP', () => undefined);
    process.on('SIGTERM', () => this.#end(0));
    this.#silence.start(this.#core.config.linkSilenceMs);
    this.#stdio.open();
    this.#core.ready(process);
  }

  #receive(chunk: Uint8Array): void {
    if (this.#ending) return;
    this.#silence.heard();
    try {
      this.#core.receive(chunk);
    } catch (error) {
      this.#core.warn(`the agent exits, because it received invalid data: ${messageOf(error)}`);
      this.#end(1);
    }
  }

  async #execute({ method, utility, args }: CallHead, context: CallContext, batch: number): Promise<Outcome> {
    if (isBuiltIn(method)) return returned(await builtIns[method](context, ...decodeArguments(method, args)));
    const host = this.#utilities.get(utility);
    // When the user's process limit leaves no thread, this call fails, as a command would.
    if (host !== undefined) return host.call(batch, method, args, context.signal);
    const why = utility === '' ? 'the drone has no utility module' : `${utility} was never sent`;
    const message = `there is no built-in method ${describe(method)}, and ${why}`;
    throw Object.assign(new Error(message), { code: 'ERR_NO_METHOD' });
  }

  readonly #warnOf = (batch: number, message: string): void => this.#core.warn(message, batch);

  /** Takes no more calls, ends what runs, and exits: nothing of an agent may outlive its link. */
  #end(exitCode: number): void {
    if (this.#ending) return;
    this.#ending = true;
    // A jammed link must not keep anything waiting.
    this.#stdio.close();
    const ended = this.#core.stop().then(() => Promise.all([...this.#utilities.values()].map(host => host.retire())));
    void ended.then(ends => {
      killGroupsNow();
      // exit() waits for threads, and a thread in a synchronous system call does not end.
      if (ends.includes(false)) process.kill(process.pid, 'SIGKILL');
      process.exit(exitCode);
    });
  }

  /** A fault of the agent itself: nothing is certain to work, so it waits for nothing. */
  #crash(error: unknown): void {
    killGroupsNow();
    this.#core.warn(`the agent crashed: ${describe(error)}`);
    this.#stdio.flush();
    // As above: a thread could keep exit() from returning.
    if (this.#utilities.size > 0) process.kill(process.pid, 'SIGKILL');
    process.exit(1);
  }
}
