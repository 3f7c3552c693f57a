// A user's own utility module, as it would be written for a drone: self-contained, functions exported by name.
import { hostname } from 'node:os';
import { isMainThread } from 'node:worker_threads';

let calls = 0;

/** @template T @param {T} value @returns {T} */
export function echo(value) {
  return value;
}

/** @param {number} image @param {number} slot */
export async function flash(image, slot) {
  calls++;
  return { host: hostname(), sum: image + slot, calls, isMainThread };
}

/** @param {unknown} value @returns {never} */
export function fail(value) {
  throw value;
}

export function hang() {
  for (;;);
}

/** @param {number} code @returns {never} */
export function exit(code) {
  process.exit(code);
}

/** @param {string} line */
export function print(line) {
  process.stdout.write(`${line}\n`);
}

export const version = '1.0';
