/** The one shape of complaint about an argument. */
import { inspect } from 'node:util';
import { suggestion } from './near-name.js';

const VALUE_STYLE = { depth: 1, breakLength: Infinity, maxStringLength: 60, maxArrayLength: 5 };

/** A TypeError with code `ERR_INVALID_ARG` that names the field, its value and what was expected. */
export function invalidArgument(field: string, value: unknown, expected: string): TypeError {
  return refusal(`${field} is ${inspect(value, VALUE_STYLE)}, expected ${expected}`);
}

/** The same for fields that are not among `names`. Their values are not shown: a misspelt one may be a secret. */
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
