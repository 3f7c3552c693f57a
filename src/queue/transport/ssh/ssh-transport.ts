/**
 * Drones behind SSH: a connection for each endpoint, with one exec channel that carries the agent, or without an agent
 * one channel for each command.
 */
import type { ClientChannel } from 'ssh2';
import { type AgentStart, type ChannelEvents, type Transport, TransportError } from '../transport.js';
import type { EndpointSpec } from '../../wire/messages.js';
import { raceAbort } from '../../../wait/abort.js';
import { AgentChannel } from './agent-channel.js';
import type { Awaited } from './authentication.js';
import type { ConnectionSettings } from './connection.js';
import type { SshEndpointSpec } from './ssh-endpoint.js';
import { PlainAgent } from './plain/plain-agent.js';
import { secondConnection } from './second-connection.js';
import { SideScript } from './side-script.js';
import { probeAgent } from './agent-probe.js';
import { endLookUps } from './name-lookup.js';
import { connectThrough } from './tunnel.js';

export const transport: Transport = {
  async open(spec, start, events, context) {
    if (!isSshSpec(spec)) throw new TransportError('unreachable', `not an endpoint of the ssh transport: ${spec.key}`);
    const { signal } = context;
    let awaited: Awaited | undefined;
    const settings: ConnectionSettings = {
      ...context,
      awaits: what => {
        awaited = what;
      },
    };
    const connection = await connectThrough(spec.hops, spec, settings).catch((error: unknown) => {
      throw awaited === undefined ? error : unanswered(awaited, error);
    });
    try {
      context.phase('bootstrap');
      const connectAgain = secondConnection(spec, settings, context.killGraceMs);
      const playAgent = (why: string): PlainAgent =>
        new PlainAgent({ server: connection, start, events, reason: `${spec.hostname} ${why}`, connectAgain });
      if (spec.agent === 'none') return playAgent("is set to agent: 'none'");
      const beside = new SideScript(connection, connectAgain);
      // The agent's end ends its connection; but without an agent the connection goes on, and a side script keeps it.
      const ended: ChannelEvents = {
        data: chunk => events.data(chunk),
        diagnostics: chunk => events.diagnostics(chunk),
        end: cause => {
          if (!beside.isAtWork) connection.end();
          events.end(cause);
        },
      };
      const probe = spec.agent === 'auto' ? probeAgent(start.marker, ended) : undefined;
      const command = agentStartText(spec.agentCommand, start);
      const listen = (channel: ClientChannel): AgentChannel =>
        new AgentChannel(connection, channel, probe ?? ended, beside);
      const channel = await connection.exec(command, signal, listen);
      channel.write(start.input);
      const hasNode = probe === undefined || (await raceAbort(signal, probe.hasNode));
      return hasNode ? channel : playAgent('has no Node');
    } catch (error) {
      connection.destroy();
      throw error;
    }
  },

  idle: endLookUps,
};

/**
 * Text for any login shell. Each shell replaces the one before, so that no process stands between the server and the
 * agent. The last argument tells the agent the login's limit of open files, which Node raises before it can be read.
 */
function agentStartText(agentCommand: string, { loader, marker }: AgentStart): string {
  return `exec /bin/sh -c 'exec "$@" "$(ulimit -Sn)"' sh ${agentCommand} -e '${loader}' ${marker}`;
}

/** A time-out spent waiting for a passphrase, an ssh-agent or a name server is not the drone's fault. */
function unanswered({ what, kind }: Awaited, error: unknown): unknown {
  if (!(error instanceof TransportError) || error.kind !== 'timeout') return error;
  const late = error.message.replace(/^no agent within/, 'no login within');
  return new TransportError(kind, `${what}; ${late}`, { cause: error });
}

function isSshSpec(spec: EndpointSpec): spec is SshEndpointSpec {
  return spec.transport === 'ssh';
}
