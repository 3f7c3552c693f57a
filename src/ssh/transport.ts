/** Drones behind SSH: a connection of its own for each endpoint, and on it one exec channel that carries the agent. */
import { type Transport, TransportError } from '../transport.js';
import type { EndpointSpec } from '../wire.js';
import { AgentChannel } from './agent-channel.js';
import type { SshEndpointSpec } from './endpoint.js';
import { connectThrough } from './way.js';

export const transport: Transport = {
  async open(spec, start, events, context) {
    if (!isSshSpec(spec)) throw new TransportError('unreachable', `not an endpoint of the ssh transport: ${spec.key}`);
    const { signal } = context;
    const connection = await connectThrough(spec.hops, spec, context);
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

function isSshSpec(spec: EndpointSpec): spec is SshEndpointSpec {
  return spec.transport === 'ssh';
}
