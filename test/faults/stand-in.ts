/** A program on a drone that is started in the place of its Node, and may be exchanged from one start to the next. */
import { chmod, copyFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Scratch } from '../contract/trees.js';
import type { Sshd } from '../support/sshd.js';

const LIAR = new URL('programs/lying-agent.js', import.meta.url);

export class StandIn implements AsyncDisposable {
  /** For `agentCommand`. */
  readonly command: string;
  readonly #scratch: Scratch;
  readonly #node: string;

  private constructor(scratch: Scratch, node: string) {
    this.#scratch = scratch;
    this.#node = node;
    this.command = scratch.of('node');
  }

  /** On a host that is reached through this server. There is no such program yet. */
  static async make(sshd: Sshd): Promise<StandIn> {
    return new StandIn(await Scratch.make(), sshd.droneOptions().agentCommand ?? 'node');
  }

  /** A shell script; its arguments are those of Node: `-e`, the loader, the marker. */
  async be(script: string): Promise<void> {
    await writeFile(this.command, `#!/bin/sh\n${script}\n`);
    await chmod(this.command, 0o755);
  }

  /** A real Node. */
  async mend(): Promise<void> {
    await this.be(`exec ${this.#node} "$@"`);
  }

  /** An agent that is to be believed until it has a call, and has a vice then; see lying-agent.js. */
  async lie(vice: string): Promise<void> {
    // No package.json says there that it is a module.
    const liar = this.#scratch.of('lying-agent.mjs');
    await copyFile(fileURLToPath(LIAR), liar);
    await this.be(`exec ${this.#node} ${liar} ${vice} "$3"`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scratch[Symbol.asyncDispose]();
  }
}
