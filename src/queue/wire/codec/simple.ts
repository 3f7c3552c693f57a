/** A quick check whether V8 writes all of a value as we want it on any version. */
import * as types from 'node:util/types';
import { MAX_DEPTH, isPlainBuffer } from './refusals.js';

/**
 * Whether a value consists of primitives, plain objects without getters, Arrays, Maps, Sets, Dates, Uint8Arrays and
 * Buffers only. Anything else takes the slow path.
 */
export function isSimple(value: unknown): boolean {
  return isSimpleAt(value, new Set(), 0);
}

/** A small object without objects in it is not marked as seen: a second look costs less than remembering. */
const SMALL = 16;

function isSimpleAt(value: unknown, seen: Set<object>, depth: number): boolean {
  if (typeof value !== 'object') return typeof value !== 'function' && typeof value !== 'symbol';
  if (value === null || seen.has(value)) return true;
  if (depth >= MAX_DEPTH || types.isProxy(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return hasSimpleProperties(value, seen, depth);
  if (prototype === Array.prototype) return Array.isArray(value) && hasSimpleElements(value, seen, depth);
  if (prototype === Date.prototype) return types.isDate(value);
  if (prototype === Buffer.prototype || prototype === Uint8Array.prototype) {
    return types.isUint8Array(value) && isPlainBuffer(value.buffer);
  }
  if (prototype === Map.prototype) return types.isMap(value) && hasSimpleEntries(value, seen, depth);
  if (prototype === Set.prototype) return types.isSet(value) && hasSimpleMembers(value, seen, depth);
  return false;
}

function hasSimpleProperties(object: object, seen: Set<object>, depth: number): boolean {
  let count = 0;
  // Includes inherited keys: a changed Object.prototype takes the slow path.
  for (const key in object) {
    const property = Object.getOwnPropertyDescriptor(object, key);
    if (property === undefined || property.get !== undefined || property.set !== undefined) return false;
    const value: unknown = property.value;
    count += 1;
    if ((typeof value === 'object' && value !== null) || count === SMALL) seen.add(object);
    if (!isSimpleAt(value, seen, depth + 1)) return false;
  }
  // Without a key it may be anything, such as a Map with another prototype.
  return count > 0 || Object.prototype.toString.call(object) === '[object Object]';
}

function hasSimpleElements(array: readonly unknown[], seen: Set<object>, depth: number): boolean {
  // Elements and named properties, without holes and without index strings.
  const values = Object.values(array);
  if (values.length >= SMALL) seen.add(array);
  for (const value of values) {
    if (typeof value === 'object' && value !== null && values.length < SMALL) seen.add(array);
    if (!isSimpleAt(value, seen, depth + 1)) return false;
  }
  return true;
}

function hasSimpleEntries(map: ReadonlyMap<unknown, unknown>, seen: Set<object>, depth: number): boolean {
  seen.add(map);
  for (const [key, value] of map) {
    if (!isSimpleAt(key, seen, depth + 1) || !isSimpleAt(value, seen, depth + 1)) return false;
  }
  return true;
}

function hasSimpleMembers(set: ReadonlySet<unknown>, seen: Set<object>, depth: number): boolean {
  seen.add(set);
  for (const value of set) if (!isSimpleAt(value, seen, depth + 1)) return false;
  return true;
}
