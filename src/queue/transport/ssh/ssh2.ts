/** Loads ssh2 at the first connection, so that programs without SSH drones do not pay for it. */
import type { Client } from 'ssh2';
import { importUnbundled } from '../../../option/package-file.js';

type Ssh2 = typeof import('ssh2');

let ssh2: Promise<Ssh2> | undefined;

export function loadSsh2(): Promise<Ssh2> {
  ssh2 ??= importUnbundled<{ default: Ssh2 }>('ssh2').then(module => module.default);
  return ssh2;
}

/** What ssh2 does not declare: its handlers of a server's messages, its keepalive's request, the queue of awaited replies. */
interface Ssh2Internals {
  readonly _protocol: {
    readonly _handlers: {
      GLOBAL_REQUEST(protocol: unknown, name: string, wantsReply: boolean, data: unknown): void;
      EXT_INFO(protocol: unknown, extensions: readonly { readonly name: string; readonly algs: string[] }[]): void;
      USERAUTH_FAILURE(protocol: unknown, takes: string[], isPartial: boolean): void;
    };
    _debug: ((line: string) => void) | undefined;
    ping(): void;
    exec(channel: number, command: string, wantsReply: boolean): void;
    /** Reads a chunk from one index to another; returns the index of the first byte that it did not read. */
    _parse: (chunk: Buffer, from: number, to: number) => number;
    /** What it received earlier of the lines up to the server's version. */
    _buffer: Buffer | undefined;
  };
  /** What the server calls itself. */
  readonly _remoteVer?: string;
  readonly _callbacks: (() => void)[];
}

export function internalsOf(client: Client): Ssh2Internals {
  return client as unknown as Ssh2Internals;
}

/**
 * Ignores the list of host keys that an OpenSSH server sends after the login. ssh2 would make the server prove each
 * key, at a signature per key and connection; the key that counts is checked already.
 */
export function ignoreFurtherHostKeys(client: Client): void {
  const { _handlers: handlers } = internalsOf(client)._protocol;
  const passOn = handlers.GLOBAL_REQUEST;
  handlers.GLOBAL_REQUEST = (protocol, name, wantsReply, data) => {
    if (name !== 'hostkeys-00@openssh.com' || wantsReply) passOn(protocol, name, wantsReply, data);
  };
}

/** Beyond what ssh2 takes of a greeting's lines in one piece, it would cost a hostile server nothing to keep a thread busy. */
const LONGEST_GREETING_BYTES = 64 * 1024;

/**
 * Joins the pieces in which a server's version line arrives. ssh2 keeps only the first one: from three pieces it makes a
 * different version, so the two sides then sign different data.
 */
export function joinVersionLine(client: Client): void {
  const { _protocol: protocol } = internalsOf(client);
  const parse = protocol._parse;
  let before = Buffer.alloc(0);
  // It replaces this function by its next one when it has the version.
  protocol._parse = (chunk, from, to) => {
    const text = Buffer.concat([before, chunk.subarray(from, to)]);
    if (text.length > LONGEST_GREETING_BYTES) throw new Error('the server sent no version of SSH');
    before = text;
    if (!chunk.subarray(from, to).includes('\n')) return to;
    protocol._buffer = undefined;
    return parse.call(protocol, text, 0, text.length) - text.length + to;
  };
}

/** Calls the listener with each command right before it is requested, which is a round trip after `client.exec`. */
export function onExecRequest(client: Client, listener: (command: string) => void): void {
  const { _protocol: protocol } = internalsOf(client);
  const send = protocol.exec;
  protocol.exec = (channel, command, wantsReply) => {
    listener(command);
    send.call(protocol, channel, command, wantsReply);
  };
}
