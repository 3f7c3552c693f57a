/** A real nginx for tests: one process on 127.0.0.1, with all that it writes in a temporary directory. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { installPackage } from './debian-package.js';

const PROGRAM = '/usr/sbin/nginx';
/** Ports that no system gives out by itself. */
const PORTS = { first: 30_100, count: 800 } as const;
/** Logged when it listens. */
const READY = / nginx\/\d/;
const PORT_IS_TAKEN = 'Address already in use';

export interface Nginx extends AsyncDisposable {
  readonly port: number;
}

/**
 * Starts nginx, which it installs where it may. `server` makes the `server { … }` block for a port; `files` go into the
 * directory that relative paths in it begin from.
 */
export async function startNginx(
  server: (port: number) => string,
  files: Readonly<Record<string, string>> = {},
): Promise<Nginx> {
  await installPackage('nginx', { program: PROGRAM });
  const folder = await mkdtemp(join(tmpdir(), 'drone-nginx-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    for (;;) {
      const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
      await writeFile(join(folder, 'nginx.conf'), configuration(server(port)));
      const running = await listen(folder);
      if (typeof running === 'string') {
        if (running.includes(PORT_IS_TAKEN)) continue;
        throw new Error(`nginx did not start: ${running}`);
      }
      const stop = async (): Promise<void> => {
        const exited = once(running, 'exit');
        running.kill('SIGKILL');
        await exited;
        running.stderr?.destroy();
        await remove();
      };
      return { port, [Symbol.asyncDispose]: stop };
    }
  } catch (error) {
    await remove();
    throw error;
  }
}

function configuration(server: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${name};`);
  return `daemon off; master_process off; pid nginx.pid; error_log stderr notice;
events {}
http {
access_log off;
${temporary.join('\n')}
${server}
}
`;
}

/** Resolves with what it said when it has ended instead. */
async function listen(folder: string): Promise<ChildProcess | string> {
  const args = ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'];
  const child = spawn(PROGRAM, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const said: string[] = [];
  const lines = createInterface({ input: child.stderr });
  const isReady = await new Promise<boolean>((resolve, reject) => {
    lines.on('line', line => {
      said.push(line);
      if (READY.test(line)) resolve(true);
    });
    lines.once('close', () => resolve(false));
    child.once('error', reject);
  });
  return isReady ? child : said.join('; ');
}
