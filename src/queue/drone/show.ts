/** Values of others in messages of ours. */
import { inspect, type InspectOptions } from 'node:util';

/** A foreign value in words. Never throws, whatever the value does when it is looked at. */
export function show(value: unknown, options: InspectOptions): string {
  try {
    return inspect(value, options);
  } catch {
    return `(a value of type ${typeof value} that cannot be shown)`;
  }
}
