/** The one shape of complaint about an argument. */
import { inspect } from 'node:util';

const VALUE_STYLE = { depth: 1, breakLength: Infinity, maxStringLength: 60, maxArrayLength: 5 };

/** A TypeError with code `ERR_INVALID_ARG` that names the field, its value and what was expected. */
export function invalidArgument(field: string, value: unknown, expected: string): TypeError {
  const error = new TypeError(`${field} is ${inspect(value, VALUE_STYLE)}, expected ${expected}`);
  return Object.assign(error, { code: 'ERR_INVALID_ARG' });
}
