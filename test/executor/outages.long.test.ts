/** Servers that are away, in the way or out of order: what is asked of them meanwhile is not a verdict on a change. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { leakCheck } from '../support/leak-check.js';
import { benchIn } from './executors.js';
import { git, Workshop } from './repositories.js';

leakCheck();

const WEB = { connection: 'git', project: 'web', branch: 'main' };

interface Server extends AsyncDisposable {
  readonly port: number;
}

/** Does this with each connection, once it has asked for something. */
async function server(serve: (socket: Socket) => void): Promise<Server> {
  const sockets = new Set<Socket>();
  const listening = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => serve(socket)).resume();
  });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as { port: number };
  const end = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    listening.close();
    await once(listening, 'close');
  };
  return { port, [Symbol.asyncDispose]: end };
}

function http(status: string, body = '', type = 'text/html'): (socket: Socket) => void {
  return socket =>
    socket.end(
      `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${String(body.length)}\r\nConnection: close\r\n\r\n${body}`,
    );
}

/** A server's ways, and the URL by which git goes there. Undefined: nothing listens. */
const AWAY: readonly (readonly [what: string, serve: ((socket: Socket) => void) | undefined, url: string])[] = [
  ['refuses connections (http)', undefined, 'http://127.0.0.1:PORT/web'],
  ['refuses connections (git)', undefined, 'git://127.0.0.1:PORT/web'],
  ['hangs up (http)', socket => socket.destroy(), 'http://127.0.0.1:PORT/web'],
  ['hangs up (git)', socket => socket.destroy(), 'git://127.0.0.1:PORT/web'],
  ['is out of order', http('503 Service Unavailable'), 'http://127.0.0.1:PORT/web'],
  ['has too much to do', http('429 Too Many Requests'), 'http://127.0.0.1:PORT/web'],
  ['speaks no TLS', http('400 Bad Request'), 'https://127.0.0.1:PORT/web'],
  ['breaks off', socket => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'), 'http://127.0.0.1:PORT/web'],
];

/** Pages that git takes for a repository without refs, and one that it does not. */
const PAGES: readonly (readonly [what: string, body: string, code: string])[] = [
  ['an empty page', '', 'ERR_NO_REF'],
  ['a page in one line', '<html>Sign in to the network</html>', 'ERR_NO_REF'],
  ['a page', '<html>\n<body>Sign in to the network</body>\n</html>\n', 'ERR_GIT_FAILED'],
];

for (const [what, body, code] of PAGES) {
  test(`${what} in place of a git server removes no branch`, async () => {
    using workshop = new Workshop();
    const web = workshop.remote('web');
    git(web.folder, 'branch', 'stable');
    git(web.folder, 'update-server-info');
    let isPortal = false;
    const listening = createHttpServer((request, response) => {
      const path = join(web.folder, '.git', new URL(String(request.url), 'http://x').pathname.replace(/^\/web/, ''));
      if (isPortal) response.end(body);
      else if (existsSync(path) && statSync(path).isFile()) response.end(readFileSync(path));
      else response.writeHead(404).end();
    });
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const url = `http://127.0.0.1:${String((listening.address() as AddressInfo).port)}/web`;
    try {
      await using cache = workshop.cache({ urlOf: () => url, git: { attempts: 1 } });
      await cache.update(WEB);
      const branches = (): string =>
        git(workshop.gitDir('web'), 'for-each-ref', '--format=%(refname:short)', 'refs/heads');
      assert.equal(branches(), 'main\nstable');
      isPortal = true;
      await assert.rejects(cache.update(WEB), { code });
      assert.equal(branches(), 'main\nstable');
      // A damaged copy is not replaced by an empty one.
      writeFileSync(join(workshop.gitDir('web'), 'packed-refs'), Buffer.alloc(100));
      await cache.close();
      await using other = workshop.cache({ urlOf: () => url, git: { attempts: 1 } });
      await assert.rejects(other.update(WEB), { code });
      isPortal = false;
      await other.update(WEB);
      assert.equal(branches(), 'main\nstable');
    } finally {
      listening.closeAllConnections();
      listening.close();
    }
  });
}

async function failures(serve: ((socket: Socket) => void) | undefined, url: string, env = {}): Promise<void> {
  const workshop = new Workshop();
  workshop.remote('web');
  const port = await server(serve ?? (() => undefined));
  if (serve === undefined) await port[Symbol.asyncDispose]();
  const lines: string[] = [];
  const log = {
    debug() {},
    info() {},
    warn: (line: string, more?: object) => void lines.push(`${line} ${JSON.stringify(more)}`),
    error() {},
  };
  const at = (text: string): string => text.replace('PORT', String(port.port));
  const fromServer = {
    urlOf: () => at(url),
    git: {
      attempts: 1,
      env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, at(String(value))])),
    },
  };
  try {
    await using all = benchIn(workshop, { log }, fromServer);
    const merge = await all.jobs.submit('merger:merge', { items: [{ ...WEB, ref: 'refs/heads/topic' }] });
    const run = await all.jobs.submit('executor:execute', { projects: [WEB], commands: ['true'] });
    const cat = await all.jobs.submit('merger:cat', { ...WEB, files: [] });
    for (const answer of [merge, run, cat]) {
      assert(!answer.ok);
      const { isTransient, repository, message } = answer.error;
      const found = [isTransient, repository, message.includes('(git:web)')];
      assert.deepEqual(found, [true, { connection: 'git', project: 'web' }, true], message);
    }
    assert.equal(
      lines.filter(line => line.includes('a job has failed') && line.includes('git:web')).length,
      3,
      lines.join('\n'),
    );
  } finally {
    if (serve !== undefined) await port[Symbol.asyncDispose]();
  }
}

for (const [what, serve, url] of AWAY) {
  test(`a server that ${what} is an outage in the answers and the log`, async () => failures(serve, url));
}

test('a proxy that is away or out of order is an outage', async () => {
  const url = 'https://git.example.org/web';
  await failures(undefined, url, { https_proxy: 'http://127.0.0.1:PORT' });
  await failures(http('502 Bad Gateway'), url, { https_proxy: 'http://127.0.0.1:PORT' });
});

test('a server that says nothing any more is given up, and that is an outage', async () => {
  const env = { GIT_HTTP_LOW_SPEED_TIME: '1', GIT_HTTP_LOW_SPEED_LIMIT: '1' };
  const begin = (socket: Socket): void => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
  await failures(begin, 'http://127.0.0.1:PORT/web', env);
});

test('a server that refuses is not an outage', async () => {
  for (const status of ['403 Forbidden', '401 Unauthorized']) {
    const workshop = new Workshop();
    workshop.remote('web');
    await using refusing = await server(http(status));
    await using all = benchIn(workshop, {}, { urlOf: () => `http://127.0.0.1:${String(refusing.port)}/web` });
    const answer = await all.jobs.submit('executor:execute', { projects: [WEB], commands: ['true'] });
    assert(!answer.ok);
    assert.equal(answer.error.isTransient, false, answer.error.message);
  }
});
