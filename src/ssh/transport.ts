/** Drones behind SSH: a connection of its own for each endpoint, and on it one exec channel that carries the agent. */
import { type Transport, TransportError } from '../transport.js';
import type { EndpointSpec } from '../wire.js';
import { AgentChannel } from './agent-channel.js';
import type { SshEndpointSpec } from './endpoint.js';
import type { ConnectionSettings } from './connection.js';
import { connectThrough } from './way.js';

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
      // The login shell is replaced, so that no process of it stands between the server and the agent.
      const command = `exec ${spec.agentCommand} -e '${start.loader}' ${start.marker}`;
      const channel = new AgentChannel(connection, await connection.exec(command, signal), events);
      channel.write(start.input);
      return channel;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  },
};

/** It is not the drone that was slow when the time went by in waiting for a passphrase. */
function unanswered(awaited: string, error: unknown): unknown {
  if (!(error instanceof TransportError) || error.kind !== 'timeout') return error;
  return new TransportError('auth', `${awaited}; ${error.message}`, { cause: error });
}

function isSshSpec(spec: EndpointSpec): spec is SshEndpointSpec {
  return spec.transport === 'ssh';
}
