/**
 * Encodes values in V8's own format, made to mean the same on every Node from 18 on.
 *
 *     0xff 0x0f | value | record of each error, in the order of their stand-ins
 *
 * What V8 writes differently from version to version goes another way. Errors travel as a tag in their place and a record
 * after the value. Views travel by kind, offset and length with their ArrayBuffer, so that views on one buffer still share
 * it; Buffers as their own bytes. `undefined` takes no bytes.
 *
 * Used on both sides of the link, so it runs on Node 18 and imports only Node's own modules.
 */
import * as types from 'node:util/types';
import { Deserializer, Serializer } from 'node:v8';
import { copyOf } from './copy.js';
import { FIELDS, fillShell, makeShell } from './errors.js';
import type { ErrorRecord, Field } from './errors.js';
import { isSimple } from './simple.js';
import { NotCloneableError } from './refusals.js';

export { NotCloneableError };

/** What Node 18 to 26 write. The same bytes mean other things in older layouts. */
const WIRE_VERSION = 15;

/** First number of our host objects: an error, a Buffer's bytes, or 2 + the view's index in VIEWS. */
const ERROR = 0;
const BYTES = 1;
const FIRST_VIEW = 2;

const VIEWS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
] as const;
const viewKinds = new Map<string, number>(VIEWS.map((each, index) => [each.name, FIRST_VIEW + index]));

/** The view's own tag, whatever class it was given. */
const viewTag = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)?.get;

const NO_RECORDS: ReadonlyMap<object, ErrorRecord> = new Map();
const NOTHING = new Uint8Array(0);

/** The bytes are not a value of this codec; `cause` has the reason. `code` is `ERR_UNREADABLE_VALUE`. */
export class UnreadableValueError extends Error {
  override readonly name = 'UnreadableValueError';
  readonly code = 'ERR_UNREADABLE_VALUE';
}

class ValueSerializer extends Serializer {
  readonly #records: ReadonlyMap<object, ErrorRecord>;
  readonly #met: ErrorRecord[] = [];

  constructor(records: ReadonlyMap<object, ErrorRecord>) {
    super();
    this.#records = records;
    // Not in Node's types, though documented.
    (
      this as unknown as { _setTreatArrayBufferViewsAsHostObjects(yes: boolean): void }
    )._setTreatArrayBufferViewsAsHostObjects(true);
  }

  write(value: unknown): Uint8Array {
    this.writeHeader();
    this.writeValue(value);
    // Grows in the loop: writing a record may meet more errors.
    for (const record of this.#met) this.#writeRecord(record);
    const bytes = this.releaseBuffer();
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  _writeHostObject(value: object): void {
    const record = this.#records.get(value);
    if (record !== undefined) {
      this.#met.push(record);
      this.writeUint32(ERROR);
      this.writeUint32(record.class);
    } else if (Buffer.isBuffer(value)) {
      this.writeUint32(BYTES);
      this.writeUint32(value.byteLength);
      this.writeRawBytes(value);
    } else if (ArrayBuffer.isView(value)) {
      this.#writeView(value);
    } else {
      throw new NotCloneableError('an object of a class that is not written in JavaScript');
    }
  }

  #writeView(view: ArrayBufferView): void {
    const name = String(viewTag?.call(view) ?? 'DataView');
    const kind = viewKinds.get(name);
    if (kind === undefined) throw new NotCloneableError(`a ${name}`);
    this.writeUint32(kind);
    this.writeUint32(view.byteOffset);
    this.writeUint32(view.byteLength);
    this.writeValue(view.buffer);
  }

  #writeRecord(record: ErrorRecord): void {
    let fields = 0;
    FIELDS.forEach((field, bit) => (fields |= record.values.has(field) ? 1 << bit : 0));
    this.writeUint32(fields);
    for (const field of FIELDS) if (record.values.has(field)) this.writeValue(record.values.get(field));
  }
}

class ValueDeserializer extends Deserializer {
  readonly #bytes: Uint8Array;
  readonly #shells: Error[] = [];

  constructor(bytes: Uint8Array) {
    super(bytes);
    this.#bytes = bytes;
  }

  read(): unknown {
    this.readHeader();
    const version = this.getWireFormatVersion();
    if (version !== WIRE_VERSION)
      throw new RangeError(`wire version ${String(version)} instead of ${String(WIRE_VERSION)}`);
    const value: unknown = this.readValue();
    for (const shell of this.#shells) this.#readRecord(shell);
    const left = this.#bytes.byteOffset + this.#bytes.byteLength - this.readRawBytes(0).byteOffset;
    if (left !== 0) throw new RangeError(`${String(left)} bytes follow the value`);
    return value;
  }

  _readHostObject(): object {
    const kind = this.readUint32();
    if (kind === ERROR) {
      const shell = makeShell(this.readUint32());
      this.#shells.push(shell);
      return shell;
    }
    if (kind === BYTES) return new Uint8Array(this.readRawBytes(this.readUint32()));
    return this.#readView(kind);
  }

  #readView(kind: number): ArrayBufferView {
    const View = VIEWS[kind - FIRST_VIEW];
    if (View === undefined) throw new RangeError(`unknown record number ${String(kind)}`);
    const offset = this.readUint32();
    const byteLength = this.readUint32();
    const buffer: unknown = this.readValue();
    if (!types.isArrayBuffer(buffer)) throw new TypeError('a view of something that is not an ArrayBuffer');
    const unit = View === DataView ? 1 : (View as { readonly BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
    if (byteLength % unit !== 0) throw new RangeError('a view ends within an element');
    return Reflect.construct(View, [buffer, offset, byteLength / unit]) as ArrayBufferView;
  }

  #readRecord(shell: Error): void {
    const fields = this.readUint32();
    if (fields >= 1 << FIELDS.length) throw new RangeError(`an error with unknown fields (${String(fields)})`);
    const values = new Map<Field, unknown>();
    FIELDS.forEach((field, bit) => {
      if ((fields & (1 << bit)) !== 0) values.set(field, this.readValue());
    });
    fillShell(shell, values);
  }
}

/**
 * Encodes what a structured clone keeps, plus an error's code and an AggregateError's errors, minus what some Node from
 * 18 on could not read. Throws a NotCloneableError (`ERR_NOT_CLONEABLE`).
 */
export function encode(value: unknown): Uint8Array {
  if (value === undefined) return NOTHING;
  try {
    return isSimple(value) ? encodeSimple(value) : encodeCopy(value);
  } catch (error) {
    if (error instanceof NotCloneableError) throw error;
    throw new NotCloneableError(`cannot clone the value: ${messageOf(error)}`, { cause: error });
  }
}

function encodeSimple(value: unknown): Uint8Array {
  try {
    return new ValueSerializer(NO_RECORDS).write(value);
  } catch {
    // V8 reports what it refused but not where; the slow path finds the place.
    return encodeCopy(value);
  }
}

function encodeCopy(value: unknown): Uint8Array {
  const copy = copyOf(value, false);
  try {
    return new ValueSerializer(copy.records).write(copy.value);
  } catch (error) {
    if (copy.records.size === 0) throw error;
    // V8 refuses something that we have no test for; if it belongs to an error, the error still goes out.
    const lesser = copyOf(value, true);
    return new ValueSerializer(lesser.records).write(lesser.value);
  }
}

/** Decodes a value that keeps no reference to `bytes`. Throws an UnreadableValueError, also on hostile bytes. */
export function decode(bytes: Uint8Array): unknown {
  if (bytes.byteLength === 0) return undefined;
  try {
    return new ValueDeserializer(bytes).read();
  } catch (error) {
    throw new UnreadableValueError(
      `these ${String(bytes.byteLength)} bytes are not a valid value: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
