/** Events on `node:diagnostics_channel`: each product declares its own, with a channel per kind of event. */
import { channel, type Channel } from 'node:diagnostics_channel';

/**
 * Publishes a product's events on the channels of these names. Without subscribers `message` is not called, and an event
 * costs a map lookup.
 */
export function publisher<Messages extends object>(
  names: readonly (keyof Messages & string)[],
): <K extends keyof Messages & string>(name: K, message: () => Messages[K]) => void {
  // Node holds channels weakly: with no reference of ours, one without subscribers would be made anew each time.
  const channels = new Map<string, Channel>(names.map(name => [name, channel(name)]));
  return (name, message) => {
    const found = channels.get(name);
    if (found?.hasSubscribers === true) found.publish(message());
  };
}
