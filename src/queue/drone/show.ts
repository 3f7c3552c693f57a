/** Foreign values in messages. */
import { inspect, type InspectOptions } from 'node:util';

/** A foreign value as text. Never throws, whatever the value does when inspected. */
export function show(value: unknown, options: InspectOptions): string {
  try {
    return inspect(value, options);
  } catch {
    return `(a value of type ${typeof value} that cannot be shown)`;
  }
}
