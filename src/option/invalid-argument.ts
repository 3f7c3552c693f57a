import { inspect } from 'node:util';
import { suggestion } from './near-name.js';

const VALUE_STYLE = { depth: 1, breakLength: Infinity, maxStringLength: 60, maxArrayLength: 5 };

/**
 * A TypeError that names the field, its value and what was expected.
 *
 * - `ERR_INVALID_ARG` (TypeError): an argument or option is unknown, of the wrong type or out of range. Nothing was
 *   started or changed. The message gives its name, its value and what was expected.
 */
export function invalidArgument(field: string, value: unknown, expected: string): TypeError {
  return refusal(`${field} is ${inspect(value, VALUE_STYLE)}, expected ${expected}`);
}

/** Throws the same for fields that are not among `names`, without values: a misspelt option may hold a secret. */
export function refuseUnknown(options: object, names: readonly string[], within?: string): void {
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    const path = within === undefined ? name : `${within}.${name}`;
    throw refusal(`unknown option '${path}'${suggestion(name, names)}, expected one of ${names.join(', ')}`);
  }
}

function refusal(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG' });
}
