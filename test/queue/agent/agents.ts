/** The agents that serve the built-in methods: Node's, and those of a drone with nothing but a shell, GNU's tools or busybox. */
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { PlainAgent } from '../../../src/queue/transport/ssh/plain/plain-agent.js';
import { FrameType } from '../../../src/queue/wire/messages.js';
import { busybox, type Shell, shell } from '../../support/shells.js';
import { LocalServer } from '../transport/ssh/plain/local-server.js';
import { type AgentOptions, MARKER, startAgent, TestAgent } from './spawn-agent.js';

export interface AgentKind {
  /** Goes into the names of tests. */
  readonly name: string;
  /** Whether it is a process, of Node. */
  readonly isNode: boolean;
  start(options?: AgentOptions): Promise<TestAgent>;
}

export const nodeAgent: AgentKind = { name: 'Node', isNode: true, start: startAgent };
export const shellAgent = plain(shell);
export const busyboxAgent = plain(busybox);

function plain(makeShell: () => Promise<Shell>): AgentKind {
  return {
    name: makeShell.name,
    isNode: false,
    start: async options => startPlain(await makeShell(), options),
  };
}

async function startPlain(
  shell: Shell,
  { config, cwd = process.cwd(), credits = true }: AgentOptions = {},
): Promise<TestAgent> {
  const server = new LocalServer({ shell: shell.path, env: { HOME: cwd, PATH: shell.searchPath }, cwd });
  const child = new PlainChild(server, shell);
  const agent = new TestAgent(child as unknown as ChildProcess, credits);
  child.start();
  agent.configure(config);
  await agent.next(FrameType.Ready);
  return agent;
}

/** What of a child process a TestAgent needs. */
class PlainChild extends EventEmitter {
  readonly pid = process.pid;
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly stdin: Writable;
  readonly #server: LocalServer;
  readonly #shell: Shell;
  #agent: PlainAgent | undefined;

  constructor(server: LocalServer, shell: Shell) {
    super();
    this.#server = server;
    this.#shell = shell;
    this.stdin = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#agent?.write(chunk);
        done();
      },
      final: done => {
        this.#agent?.close();
        done();
      },
    });
  }

  start(): void {
    let isFirst = true;
    this.#agent = new PlainAgent({
      server: this.#server,
      start: { marker: MARKER, input: Buffer.alloc(4) } as never,
      events: {
        data: chunk => {
          this.stdout.write(isFirst ? `\n${MARKER} v0.0.0\n` : chunk);
          isFirst = false;
        },
        diagnostics: chunk => this.stderr.write(chunk),
        end: () => {
          void this.#shell[Symbol.asyncDispose]().then(() => {
            this.emit('exit', 0, null);
            this.emit('close');
          });
        },
      },
      reason: 'the test has no Node',
      connectAgain: () => Promise.reject(new Error('one connection is all there is')),
    });
  }
}
