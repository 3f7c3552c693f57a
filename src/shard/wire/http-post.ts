/** One HTTP request and its whole answer, within a limit. Follows no redirects. */
import {
  type Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import { type Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { onAbort } from '../../wait/abort.js';

export interface Post {
  readonly url: URL;
  readonly agent: HttpAgent | HttpsAgent;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Largest body of an answer, before decompression. */
  readonly maxAnswerBytes: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** No answer began. */
export class NoAnswer extends Error {
  /** The request used a kept connection, which the other side may have closed meanwhile. */
  readonly onOldConnection: boolean;

  constructor(cause: Error, onOldConnection: boolean) {
    super(reasonOf(cause), { cause });
    this.onOldConnection = onOldConnection;
  }
}

/** An answer is not HTTP, or ended in the middle. */
export class BrokenAnswer extends Error {
  constructor(cause: Error) {
    super(reasonOf(cause), { cause });
  }
}

/** An answer exceeds the limit. */
export class AnswerTooLarge extends Error {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;

  constructor({ statusCode, headers }: IncomingMessage, maxBytes: number) {
    super(`more than ${String(maxBytes)} bytes`);
    this.status = statusCode ?? 0;
    this.headers = headers;
  }
}

/** Rejects with one of the errors above or the signal's reason, and leaves nothing open then. Only the signal limits time. */
export function post(what: Post, signal: AbortSignal): Promise<Answer> {
  const { url, agent, headers, body, maxAnswerBytes } = what;
  return new Promise<Answer>((resolve, reject) => {
    signal.throwIfAborted();
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const length = { 'content-length': String(body.length) };
    const request = send(url, { method: 'POST', agent, headers: { ...headers, ...length } });
    const end = (settle: () => void): void => {
      stopListening();
      settle();
    };
    const fail = (error: unknown): void => {
      end(() => reject(error));
      request.destroy();
    };
    const stopListening = onAbort(signal, fail);
    let hasBegun = false;
    request.on('error', (error: NodeJS.ErrnoException & { rawPacket?: unknown }) => {
      const isNoHttp = error.code?.startsWith('HPE_') === true;
      // Up to 64 KiB of received data, which may hold the token and would end up in a log.
      delete error.rawPacket;
      fail(hasBegun || isNoHttp ? new BrokenAnswer(error) : new NoAnswer(error, request.reusedSocket));
    });
    // Without this listener, Node closes the connection on a status 101 and emits nothing.
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      const { statusCode = 0, headers: answerHeaders } = response;
      end(() => resolve({ status: statusCode, headers: answerHeaders, body: Buffer.of() }));
    });
    request.on('response', response => {
      hasBegun = true;
      readBody(response, maxAnswerBytes).then(
        answerBody =>
          end(() => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: answerBody })),
        fail,
      );
    });
    request.end(body);
  });
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): Error => new AnswerTooLarge(response, maxBytes);
  if (Number(response.headers['content-length']) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw new BrokenAnswer(error as Error);
  }
  if (bytes > maxBytes) throw tooLarge();
  return Buffer.concat(chunks);
}

/** When several addresses failed, the error has a code and no message. */
function reasonOf(error: NodeJS.ErrnoException): string {
  const { message, code } = error;
  if (message === '') return code ?? error.name;
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}
