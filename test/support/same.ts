/** Equality as this package promises it: stricter than deepStrictEqual, and it sees who is shared with whom. */
import assert from 'node:assert/strict';
import * as types from 'node:util/types';

/**
 * Throws an AssertionError that names the first place where what arrived is not what was expected: values by Object.is,
 * classes, key order, holes, bytes, one object here for one object there (shared references, cycles), and of errors every
 * field with its flags.
 */
export function assertSame(actual: unknown, expected: unknown): void {
  new Comparison().same(actual, expected, 'value');
}

class Comparison {
  readonly #partners = new Map<object, object>();
  readonly #taken = new Set<object>();

  same(actual: unknown, expected: unknown, path: string): void {
    if (typeof expected !== 'object' || expected === null) {
      assert.ok(Object.is(actual, expected), `${path}: ${show(actual)} instead of ${show(expected)}`);
      return;
    }
    assert.ok(typeof actual === 'object' && actual !== null, `${path}: ${show(actual)} instead of an object`);
    if (this.#partners.has(expected) || this.#taken.has(actual)) {
      assert.ok(this.#partners.get(expected) === actual, `${path}: shared otherwise than expected`);
      return;
    }
    this.#partners.set(expected, actual);
    this.#taken.add(actual);
    assert.ok(
      Object.getPrototypeOf(actual) === Object.getPrototypeOf(expected),
      `${path}: class ${className(actual)} instead of ${className(expected)}`,
    );
    assert.equal(kindOf(actual), kindOf(expected), `${path}: what it really is`);
    this.#contents(actual, expected, path);
  }

  #contents(actual: object, expected: object, path: string): void {
    if (types.isNativeError(expected)) return this.#errors(actual as Error, expected, path);
    if (ArrayBuffer.isView(expected)) return this.#views(actual as ArrayBufferView, expected, path);
    if (types.isAnyArrayBuffer(expected)) {
      const [a, e] = [Buffer.from(actual as ArrayBuffer), Buffer.from(expected)];
      assert.ok(a.equals(e), `${path}: bytes ${a.toString('hex')} instead of ${e.toString('hex')}`);
    } else if (types.isMap(expected)) {
      const [a, e] = [[...(actual as Map<unknown, unknown>)], [...expected]];
      assert.equal(a.length, e.length, `${path}: size`);
      e.forEach(([key, value], index) => {
        this.same(a[index]?.[0], key, `${path}.keys()[${String(index)}]`);
        this.same(a[index]?.[1], value, `${path}.values()[${String(index)}]`);
      });
    } else if (types.isSet(expected)) {
      const [a, e] = [[...(actual as Set<unknown>)], [...expected]];
      assert.equal(a.length, e.length, `${path}: size`);
      e.forEach((value, index) => this.same(a[index], value, `${path}.values()[${String(index)}]`));
    } else if (types.isDate(expected) || types.isBoxedPrimitive(expected)) {
      const [a, e] = [(actual as Date).valueOf(), (expected as Date).valueOf()];
      assert.ok(Object.is(a, e), `${path}: ${show(a)} instead of ${show(e)}`);
    } else if (types.isRegExp(expected)) {
      assert.equal(RegExp.prototype.toString.call(actual), RegExp.prototype.toString.call(expected), path);
      assert.equal((actual as RegExp).lastIndex, expected.lastIndex, `${path}.lastIndex`);
    } else if (Array.isArray(expected)) {
      assert.equal((actual as unknown[]).length, expected.length, `${path}.length`);
    }
    this.#properties(actual, expected, path);
  }

  #properties(actual: object, expected: object, path: string): void {
    // A boxed string has its characters as keys, a list its indices: equal by now or compared here.
    assert.deepEqual(Reflect.ownKeys(actual), Reflect.ownKeys(expected), `${path}: keys`);
    for (const key of Object.keys(expected)) {
      const [a, e] = [descriptor(actual, key), descriptor(expected, key)];
      assert.deepEqual(flags(a), flags(e), `${path}.${key}: flags`);
      this.same(a.value, e.value, `${path}.${key}`);
    }
  }

  #views(actual: ArrayBufferView, expected: ArrayBufferView, path: string): void {
    assert.equal(actual.byteOffset, expected.byteOffset, `${path}.byteOffset`);
    assert.equal(actual.byteLength, expected.byteLength, `${path}.byteLength`);
    this.same(actual.buffer, expected.buffer, `${path}.buffer`);
  }

  #errors(actual: Error, expected: Error, path: string): void {
    for (const field of ['name', 'message', 'stack', 'code', 'cause', 'errors']) {
      const [has, should] = [Object.hasOwn(actual, field), Object.hasOwn(expected, field)];
      assert.equal(has, should, `${path}: whether it has its own ${field}`);
      // V8 has been making `stack` an accessor for some time; its value is what counts.
      this.same(Reflect.get(actual, field), Reflect.get(expected, field), `${path}.${field}`);
      if (has) {
        const enumerable = (error: Error): unknown => Object.getOwnPropertyDescriptor(error, field)?.enumerable;
        assert.equal(enumerable(actual), enumerable(expected), `${path}.${field}: enumerable`);
      }
    }
    assert.deepEqual(Object.keys(actual), Object.keys(expected), `${path}: keys`);
  }
}

function descriptor(object: object, key: string): PropertyDescriptor {
  return Object.getOwnPropertyDescriptor(object, key) ?? assert.fail(`no own property ${key}`);
}

function flags({ enumerable, writable, configurable }: PropertyDescriptor): unknown {
  return { enumerable, writable, configurable };
}

/** By what it is inside, whatever its prototype says. */
function kindOf(value: object): string {
  if (Array.isArray(value)) return 'Array';
  if (types.isMap(value)) return 'Map';
  if (types.isSet(value)) return 'Set';
  if (types.isDate(value)) return 'Date';
  if (types.isRegExp(value)) return 'RegExp';
  if (types.isNativeError(value)) return 'Error';
  if (types.isBoxedPrimitive(value)) return 'boxed';
  if (types.isArrayBuffer(value)) return 'ArrayBuffer';
  if (ArrayBuffer.isView(value)) return 'view';
  return 'object';
}

function className(value: object): string {
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null;
  return prototype === null ? 'null' : String(prototype.constructor?.name);
}

function show(value: unknown): string {
  if (Object.is(value, -0)) return '-0';
  if (typeof value === 'bigint') return `${String(value)}n`;
  return typeof value === 'string'
    ? JSON.stringify(value)
    : String(typeof value === 'object' && value ? className(value) : value);
}
