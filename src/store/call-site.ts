/** Where in the caller's code a section was opened. */
import { packageFile } from '../option/package-file.js';
import type { Policy } from './engine.js';

const HERE = packageFile('.', import.meta.url).href;

/** Cheap to capture; parsed only when it is shown. */
export class CallSite {
  readonly #stack = new Error();

  /** `file:line:column` of the first frame outside of the store. */
  get text(): string {
    const frames = (this.#stack.stack ?? '').split('\n').slice(1);
    const frame = frames.find(line => !line.includes(HERE) && !line.includes('node:internal')) ?? '';
    return /\(?(?:file:\/\/)?([^()\s]+:\d+:\d+)\)?$/.exec(frame)?.[1] ?? 'an unknown place';
  }
}

/** A section's name in messages. */
export function titleOf({ policy, name, callSite }: { policy: Policy; name: string; callSite: CallSite }): string {
  return `${policy} section '${name}' (opened at ${callSite.text})`;
}
