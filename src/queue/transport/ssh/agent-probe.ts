/** Watches an agent's start on a drone that may have no Node, until that is known. */
import { isNodeMissing } from '../agent-exit.js';
import type { ChannelEvents } from '../transport.js';

/** Kept of each stream: enough to find the marker, and a shell's last words. */
const KEPT_CHARS = 4096;

export interface AgentProbe extends ChannelEvents {
  /** False if the start failed because there is no Node; `events` then gets no `end`. */
  readonly hasNode: Promise<boolean>;
}

export function probeAgent(marker: string, events: ChannelEvents): AgentProbe {
  let stdout = '';
  let stderr = '';
  let isDecided = false;
  let resolveHasNode: (hasNode: boolean) => void = () => undefined;
  const decide = (hasNode: boolean): void => {
    isDecided = true;
    resolveHasNode(hasNode);
  };
  return {
    hasNode: new Promise(resolve => (resolveHasNode = resolve)),
    data: chunk => {
      if (!isDecided) stdout = kept(stdout, chunk);
      if (!isDecided && stdout.includes(marker)) decide(true);
      events.data(chunk);
    },
    diagnostics: chunk => {
      if (!isDecided) stderr = kept(stderr, chunk);
      events.diagnostics(chunk);
    },
    end: cause => {
      const isMissing = !isDecided && isNodeMissing(cause, stderr);
      decide(!isMissing);
      if (!isMissing) events.end(cause);
    },
  };
}

function kept(before: string, chunk: Uint8Array): string {
  return (before + Buffer.from(chunk).toString('latin1')).slice(-KEPT_CHARS);
}
