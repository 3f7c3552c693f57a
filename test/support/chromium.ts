/** A real Chromium for tests, driven over the pipe of its DevTools protocol. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { installPackage } from './debian-package.js';
import { until } from './until.js';

const PROGRAM = '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--remote-debugging-pipe',
  '--disable-gpu',
  // /dev/shm is small in containers.
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--no-first-run',
  // Its sandbox does not run as root.
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
];

/** Messages of the protocol end with a zero byte. */
const END = 0;

type Params = Readonly<Record<string, unknown>>;

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Params;
  readonly result?: Params;
  readonly error?: { readonly message: string };
}

export interface Chromium extends AsyncDisposable {
  newPage(width: number, height: number): Promise<Page>;
}

/** Starts it, and installs it where that is allowed. */
export async function startChromium(): Promise<Chromium> {
  await installPackage('chromium', { program: PROGRAM });
  const profile = await mkdtemp(join(tmpdir(), 'drone-chromium-'));
  const child = spawn(PROGRAM, [...FLAGS, `--user-data-dir=${profile}`], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const protocol = new Protocol(child.stdio[3] as Writable, child.stdio[4] as Readable);
  const exited = once(child, 'exit');
  // The program is a script that becomes the browser.
  await protocol.send('Browser.getVersion');
  return {
    newPage: (width, height) => Page.open(protocol, width, height),
    [Symbol.asyncDispose]: async () => {
      await protocol.send('Browser.close');
      await exited;
      // Its helpers may still write to the profile for a moment.
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

class Protocol extends EventEmitter {
  readonly #out: Writable;
  readonly #waiting = new Map<number, PromiseWithResolvers>();
  #ids = 0;
  #received = Buffer.alloc(0);

  constructor(out: Writable, input: Readable) {
    super();
    this.#out = out;
    input.on('data', (chunk: Buffer) => this.#receive(chunk));
    input.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Chromium has ended'));
    });
  }

  send(method: string, params: Params = {}, sessionId?: string): Promise<Params> {
    const id = ++this.#ids;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (let end = this.#received.indexOf(END); end >= 0; end = this.#received.indexOf(END)) {
      const message = JSON.parse(this.#received.toString('utf8', 0, end)) as Message;
      this.#received = this.#received.subarray(end + 1);
      this.#take(message);
    }
  }

  #take({ id, sessionId, method, params, result = {}, error }: Message): void {
    if (id === undefined) {
      this.emit('event', sessionId, method, params);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
  }
}

interface PromiseWithResolvers {
  readonly resolve: (value: Params) => void;
  readonly reject: (error: Error) => void;
}

/** A tab. */
export class Page {
  /** What the console shows as an error, exceptions that no one caught, and requests that failed. */
  readonly errors: string[] = [];
  /** Addresses of all that was requested. */
  readonly requests: string[] = [];
  readonly #protocol: Protocol;
  readonly #sessionId: string;
  #loads = 0;

  private constructor(protocol: Protocol, sessionId: string) {
    this.#protocol = protocol;
    this.#sessionId = sessionId;
    protocol.on('event', (of: string, method: string, params: Params) => {
      if (of === sessionId) this.#take(method, params);
    });
  }

  static async open(protocol: Protocol, width: number, height: number): Promise<Page> {
    const { targetId } = await protocol.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await protocol.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new Page(protocol, String(sessionId));
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await page.send(`${domain}.enable`);
    const metrics = { width, height, deviceScaleFactor: 1, mobile: false };
    await page.send('Emulation.setDeviceMetricsOverride', metrics);
    // Each tab takes the keyboard; otherwise only one does.
    await page.send('Emulation.setFocusEmulationEnabled', { enabled: true });
    return page;
  }

  send(method: string, params: Params = {}): Promise<Params> {
    return this.#protocol.send(method, params, this.#sessionId);
  }

  /** Resolves when the page and all that it needs are loaded. */
  async goTo(url: string): Promise<void> {
    await this.loads(async () => {
      const { errorText } = await this.send('Page.navigate', { url });
      assert.equal(errorText, undefined, url);
    });
  }

  /** Resolves when the page that `act` leads to is loaded. */
  async loads(act: () => Promise<unknown>): Promise<void> {
    const before = this.#loads;
    await act();
    await until(() => this.#loads > before);
  }

  /** The value of an expression in the page, which must be plain data. */
  async evaluate(expression: string): Promise<unknown> {
    const options = { returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, ...options });
    assert.equal(exceptionDetails, undefined, expression);
    return (result as { value?: unknown }).value;
  }

  async type(text: string): Promise<void> {
    await this.send('Input.insertText', { text });
  }

  /** Presses a key such as `Enter`, or of a character. */
  async press(key: string): Promise<void> {
    const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined;
    const windowsVirtualKeyCode = KEY_CODES[key];
    const event = { key, code: key, windowsVirtualKeyCode, ...(text !== undefined && { text }) };
    await this.send('Input.dispatchKeyEvent', { type: text === undefined ? 'rawKeyDown' : 'keyDown', ...event });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key, windowsVirtualKeyCode });
  }

  #take(method: string, params: Params): void {
    const { entry, exceptionDetails, request, type, args, errorText } = params as unknown as EventParams;
    if (method === 'Page.loadEventFired') this.#loads += 1;
    else if (method === 'Network.requestWillBeSent') this.requests.push(request.url);
    else if (method === 'Network.loadingFailed') this.errors.push(`request failed: ${errorText}`);
    else if (method === 'Runtime.exceptionThrown') this.errors.push(JSON.stringify(exceptionDetails));
    else if (method === 'Runtime.consoleAPICalled' && type === 'error') this.errors.push(JSON.stringify(args));
    else if (method === 'Log.entryAdded' && entry.level === 'error')
      this.errors.push(`${entry.text} ${entry.url ?? ''}`);
  }
}

const KEY_CODES: Readonly<Record<string, number>> = { Enter: 13, ArrowDown: 40 };

interface EventParams {
  readonly entry: { readonly level: string; readonly text: string; readonly url?: string };
  readonly exceptionDetails: unknown;
  readonly request: { readonly url: string };
  readonly type: string;
  readonly args: unknown;
  readonly errorText: string;
}
