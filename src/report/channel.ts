/** Events on `node:diagnostics_channel`: each product declares its own, one channel per kind. */
import { channel, type Channel, subscribe, unsubscribe } from 'node:diagnostics_channel';

/** Without subscribers the publisher does not call `message`: such an event costs a map lookup. */
export function publisher<Messages extends object>(
  names: readonly (keyof Messages & string)[],
): <K extends keyof Messages & string>(name: K, message: () => Messages[K]) => void {
  // Node holds channels weakly: without this map it would create one without subscribers anew each time.
  const channels = new Map<string, Channel>(names.map(name => [name, channel(name)]));
  return (name, message) => {
    const found = channels.get(name);
    if (found?.hasSubscribers === true) found.publish(message());
  };
}

/** Subscribes to a channel of `events`; the message has the event's type. Returns a function that unsubscribes. */
export type Subscribe<Messages extends object> = <K extends keyof Messages & string>(
  name: K,
  listener: (message: Messages[K]) => void,
) => () => void;

export function subscriber<Messages extends object>(): Subscribe<Messages> {
  return (name, listener) => {
    // Only `publisher` writes to these channels.
    const onMessage = (message: unknown): void => listener(message as never);
    subscribe(name, onMessage);
    return () => void unsubscribe(name, onMessage);
  };
}
