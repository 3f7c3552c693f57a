/** What cannot travel, and why. The sender refuses alike on every version of Node, whatever its V8 could do. */
import * as types from 'node:util/types';

/**
 * A value cannot be sent. `code` is `ERR_NOT_CLONEABLE`; the message gives the path to what is in the way and says
 * what it is: `cannot clone [0].callback: a function`. `cause` is there when reading the value threw.
 */
export class NotCloneableError extends TypeError {
  override readonly name = 'NotCloneableError';
  readonly code = 'ERR_NOT_CLONEABLE';
}

/** Levels of nesting. Every V8 from Node 18 on reads 1,600 on a main thread's stack, some not 1,800. */
export const MAX_DEPTH = 1000;

/** Scripts that Node 18 cannot name in `\p{Script=…}`; its last release knows Unicode 15.1. */
const NEW_SCRIPTS =
  'Garay|Gara|Gurung_Khema|Gukh|Kirat_Rai|Krai|Ol_Onal|Onao|Sunuwar|Sunu|Todhri|Todr|Tulu_Tigalari|Tutg|' +
  'Sidetic|Sidt|Tolong_Siki|Tols|Beria_Erfe|Berf|Tai_Yo|Tayo';
const NEW_SCRIPT = new RegExp(`\\\\p\\{(?:script|sc|script_extensions|scx)=(?:${NEW_SCRIPTS})\\}`, 'i');

const sourceOf = Object.getOwnPropertyDescriptor(RegExp.prototype, 'source')?.get;
const flagsOf = Object.getOwnPropertyDescriptor(RegExp.prototype, 'flags')?.get;

function whyNotRegExp(value: object): string | undefined {
  const source = String(sourceOf?.call(value));
  const flags = String(flagsOf?.call(value));
  if (flags.includes('v')) return 'a RegExp with flag v, which Node 18 cannot read';
  if (NEW_SCRIPT.test(source)) return 'a RegExp with a script name that Node 18 cannot read';
  const groups = source.replace(/\\.|\[(?:\\.|[^\]\\])*\]/gs, '');
  if (/\(\?[^:=!<]/.test(groups)) return 'a RegExp with modifiers, which Node 18 cannot read';
  const named = groups.match(/\(\?<(?![=!])/g)?.length ?? 0;
  if (named > 1) {
    // The empty alternative matches at once, whatever the rest would take.
    const distinct = new RegExp(`|${source}`, flags).exec('')?.groups ?? {};
    if (Object.keys(distinct).length < named) return 'a RegExp with two groups of one name, which Node 18 cannot read';
  }
  return undefined;
}

function whyNotBuffer(buffer: ArrayBufferLike): string | undefined {
  if (types.isSharedArrayBuffer(buffer)) return 'a SharedArrayBuffer';
  if ('resizable' in buffer && buffer.resizable === true) return 'a resizable ArrayBuffer, which Node 18 cannot read';
  if (buffer.byteLength > 0xffff_ffff) return 'an ArrayBuffer of more than 4 GiB';
  if (buffer.byteLength === 0) {
    try {
      new Uint8Array(buffer);
    } catch {
      return 'a detached ArrayBuffer';
    }
  }
  return undefined;
}

/** Whether it is not shared, resizable or detached. */
export function isPlainBuffer(buffer: ArrayBufferLike): boolean {
  return whyNotBuffer(buffer) === undefined;
}

function whyNotView(view: ArrayBufferView): string | undefined {
  if (Object.prototype.toString.call(view) === '[object Float16Array]') {
    return 'a Float16Array, which Node 18 cannot read';
  }
  const why = whyNotBuffer(view.buffer);
  return why === undefined ? undefined : `a view of ${why}`;
}

/** Classes that a structured clone knows; objects that merely inherit from one clone as plain objects. */
const KNOWN = new Set<unknown>([
  ...[Object, Array, Function, Map, Set, Date, RegExp, Error, Boolean, Number, String, BigInt, ArrayBuffer, DataView],
  Object.getPrototypeOf(Uint8Array),
]);

const ITERATOR = prototypeOf(prototypeOf([][Symbol.iterator]()));
const ASYNC_ITERATOR = prototypeOf(
  prototypeOf(
    prototypeOf(
      (async function* () {
        yield await Promise.resolve();
      })(),
    ),
  ),
);

function prototypeOf(value: object | null): object | null {
  return value === null ? null : (Object.getPrototypeOf(value) as object | null);
}

/** Node's mark on classes that only its postMessage clones. */
const NODE_CLONES = new Set(['messaging_clone_symbol', 'messaging_transfer_symbol']);

/** Source text of a C++ class, whose state V8 does not see. */
const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;

interface NamedClass {
  readonly name: string;
}

/** By prototype, as a class's verdict never changes: false for fine. */
const verdicts = new WeakMap<object, string | false>();

/** Why instances of a class of Node or the language cannot travel; some versions would send `{}`. */
function whyNotInstance(prototype: object): string | undefined {
  let verdict = verdicts.get(prototype);
  if (verdict === undefined) {
    verdict = whyNotClass(prototype) ?? false;
    verdicts.set(prototype, verdict);
  }
  return verdict === false ? undefined : verdict;
}

function whyNotClass(prototype: object): string | undefined {
  let name = '';
  for (let at: object | null = prototype; at !== null; at = prototypeOf(at)) {
    if (at === ITERATOR || at === ASYNC_ITERATOR) return 'an iterator';
    const constructor: unknown = Object.getOwnPropertyDescriptor(at, 'constructor')?.value;
    if (typeof constructor !== 'function' || KNOWN.has(constructor)) continue;
    // C++ classes may have no name; then the class derived from it tells more.
    name = constructor.name || name;
    if (isOfTheRuntime(constructor, at)) return `an instance of ${name}`;
  }
  return undefined;
}

function isOfTheRuntime(constructor: NamedClass, prototype: object): boolean {
  if (NATIVE.test(Function.prototype.toString.call(constructor))) return true;
  if (Object.getOwnPropertySymbols(prototype).some(symbol => NODE_CLONES.has(symbol.description ?? ''))) return true;
  return isGlobal(constructor);
}

/** Whether globalThis had this class from the start: what a program adds is enumerable. */
function isGlobal(constructor: NamedClass): boolean {
  const property = Object.getOwnPropertyDescriptor(globalThis, constructor.name);
  if (property === undefined || (property.enumerable === true && property.get === undefined)) return false;
  return (property.get === undefined ? property.value : Reflect.get(globalThis, constructor.name)) === constructor;
}

/** Whether it is an error of any realm, or a DOMException. */
export function isError(value: object): boolean {
  return value instanceof Error || types.isNativeError(value);
}

/** Why an object that is neither Proxy, error, list, Map nor Set cannot travel; undefined when it can. */
export function whyNot(value: object): string | undefined {
  if (types.isDate(value)) return undefined;
  if (types.isRegExp(value)) return whyNotRegExp(value);
  if (ArrayBuffer.isView(value)) return whyNotView(value);
  if (types.isAnyArrayBuffer(value)) return whyNotBuffer(value);
  if (types.isSymbolObject(value)) return 'a Symbol object';
  if (types.isBoxedPrimitive(value)) return undefined;
  if (types.isPromise(value)) return 'a Promise';
  if (types.isWeakMap(value)) return 'a WeakMap';
  if (types.isWeakSet(value)) return 'a WeakSet';
  if (types.isModuleNamespaceObject(value)) return 'a module namespace';
  if (types.isArgumentsObject(value)) return 'an arguments object';
  if (types.isExternal(value)) return 'an external';
  const prototype = prototypeOf(value);
  return prototype === null || prototype === Object.prototype ? undefined : whyNotInstance(prototype);
}

/** What V8 copies as a whole once `whyNot` permits it. */
export function isLeaf(value: object): boolean {
  return (
    types.isDate(value) ||
    types.isRegExp(value) ||
    ArrayBuffer.isView(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isBoxedPrimitive(value)
  );
}
