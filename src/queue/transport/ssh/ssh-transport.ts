/**
 * Drones behind SSH: a connection of its own for each endpoint, and on it one exec channel that carries the agent; or,
 * without an agent, one for each command.
 */
import { type AgentStart, type ChannelEvents, type Transport, TransportError } from '../transport.js';
import type { EndpointSpec } from '../../wire/messages.js';
import { raceAbort } from '../../../wait/abort.js';
import { AgentChannel } from './agent-channel.js';
import type { ConnectionSettings, SshConnection } from './connection.js';
import type { SshEndpointSpec } from './ssh-endpoint.js';
import { PlainAgent } from './plain/plain-agent.js';
import type { ConnectAgain } from './plain/ender.js';
import { secondConnection } from './second-connection.js';
import { SideScript } from './side-script.js';
import { AgentProbe } from './agent-probe.js';
import { connectThrough } from './tunnel.js';

export const transport: Transport = {
  async open(spec, start, events, context) {
    if (!isSshSpec(spec)) throw new TransportError('unreachable', `not an endpoint of the ssh transport: ${spec.key}`);
    const { signal } = context;
    let awaited: string | undefined;
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
      if (spec.agent === 'none') return plainAgent(connection, spec, start, events, connectAgain);
      const beside = new SideScript(connection, connectAgain);
      // The agent's end is that of its connection, too; but where none came up, the connection serves without, and a kill
      // has more to do.
      const ended: ChannelEvents = {
        data: chunk => {
          events.data(chunk);
        },
        diagnostics: chunk => {
          events.diagnostics(chunk);
        },
        end: cause => {
          if (!beside.isAtWork) connection.end();
          events.end(cause);
        },
      };
      if (spec.agent === 'node') return await startAgent(connection, spec, start, ended, beside, signal);
      const probe = new AgentProbe(start.marker, ended);
      const channel = await startAgent(connection, spec, start, probe, beside, signal);
      const hasNode = await raceAbort(signal, probe.hasNode);
      return hasNode ? channel : plainAgent(connection, spec, start, events, connectAgain);
    } catch (error) {
      connection.destroy();
      throw error;
    }
  },
};

async function startAgent(
  connection: SshConnection,
  spec: SshEndpointSpec,
  start: AgentStart,
  events: ChannelEvents,
  beside: SideScript,
  signal: AbortSignal,
): Promise<AgentChannel> {
  // The login shell is replaced, so that no process of it stands between the server and the agent.
  const command = `exec ${spec.agentCommand} -e '${start.loader}' ${start.marker}`;
  const channel = await connection.exec(
    command,
    signal,
    opened => new AgentChannel(connection, opened, events, beside),
  );
  channel.write(start.input);
  return channel;
}

function plainAgent(
  connection: SshConnection,
  spec: SshEndpointSpec,
  start: AgentStart,
  events: ChannelEvents,
  connectAgain: ConnectAgain,
): PlainAgent {
  return new PlainAgent({
    server: connection,
    start,
    events,
    reason: `${spec.hostname} ${spec.agent === 'none' ? "is set to agent: 'none'" : 'has no Node'}`,
    connectAgain,
  });
}

/** It is not the drone that was slow when the time went by in waiting for a passphrase. */
function unanswered(awaited: string, error: unknown): unknown {
  if (!(error instanceof TransportError) || error.kind !== 'timeout') return error;
  return new TransportError('auth', `${awaited}; ${error.message}`, { cause: error });
}

function isSshSpec(spec: EndpointSpec): spec is SshEndpointSpec {
  return spec.transport === 'ssh';
}
