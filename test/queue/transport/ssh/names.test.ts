/** Hosts that are given by name. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { leakCheck } from '../../../support/leak-check.js';
import { pinnedKeys, startSshd } from '../../../support/sshd.js';
import type { Orders, Told } from './programs/names-program.js';

leakCheck();

const PROGRAM = fileURLToPath(new URL('./programs/names-program.js', import.meta.url));
const NAME_SERVER = '127.0.77.53';
const FILES = ['hosts', 'resolv.conf', 'nsswitch.conf'];
/** Arguments: a directory with the three files, and the program that finds them in /etc. */
const MOUNT = [...FILES.map(name => `mount --bind "$1/${name}" /etc/${name} || exit 1`), 'shift; exec "$@"'].join('; ');

/** The system's configuration of names, for one program. */
class Names implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** With pairs of a name and an address. */
  static async make(hosts: readonly (readonly [string, string])[], order: string): Promise<Names> {
    const folder = await mkdtemp(join(tmpdir(), 'drone-names-'));
    const lines = hosts.map(([name, address]) => `${address} ${name}\n`);
    await writeFile(join(folder, 'hosts'), lines.join(''));
    // The longest that the system's resolver goes on for: two and a half minutes.
    await writeFile(join(folder, 'resolv.conf'), `nameserver ${NAME_SERVER}\noptions timeout:30 attempts:5\n`);
    await writeFile(join(folder, 'nsswitch.conf'), `passwd: files\ngroup: files\nhosts: ${order}\n`);
    return new Names(folder);
  }

  get #launcher(): string[] {
    return ['unshare', '--mount', 'sh', '-c', MOUNT, 'sh', this.#folder];
  }

  /** Whether this machine allows it. */
  get areMounted(): boolean {
    const [program = '', ...args] = this.#launcher;
    return process.getuid?.() === 0 && spawnSync(program, [...args, 'true']).status === 0;
  }

  async run(orders: Orders): Promise<Told> {
    const [program, ...args] = [...(this.areMounted ? this.#launcher : []), process.execPath, PROGRAM];
    const env = { ...process.env, ORDERS: JSON.stringify(orders) };
    const { stdout } = await promisify(execFile)(program, args, { env });
    return JSON.parse(stdout) as Told;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}

test('names connect while a hundred others wait for a silent name server, and nothing is left of those', async () => {
  await using sshd = await startSshd();
  const drone = { ...sshd.droneOptions(), hostKeys: pinnedKeys(sshd) };
  const addresses = sshd.addresses.slice(0, 3);
  const hosts = addresses.map((address, at) => [`good${String(at)}.test`, address] as const);
  await using names = await Names.make(hosts, 'files dns');
  const silent = Array.from({ length: 100 }, (_, at) => `silent${String(at)}.test`);
  const { areMounted } = names;
  const good = areMounted ? hosts.map(([name]) => name) : addresses;
  const nameServer = areMounted ? NAME_SERVER : undefined;
  const told = await names.run({ drone, nameServer, good, silent, connectTimeoutMs: 1000 });
  assert.deepEqual(
    told.stdout.map(line => line?.split(' ')[2]),
    addresses,
  );
  assert.equal(told.failures.length, silent.length);
  for (const { kind, phase, message } of told.failures) {
    assert.match(message, /the name (silent\d+\.test )?did not resolve/);
    assert.equal(phase, 'connect');
    if (areMounted) assert.equal(kind, 'timeout');
  }
  assert.deepEqual(told.abandoned, []);
});

test("names are looked up in the system's order", async () => {
  await using sshd = await startSshd();
  const drone = { ...sshd.droneOptions(), hostKeys: pinnedKeys(sshd) };
  const [address = ''] = sshd.addresses;
  await using names = await Names.make([['good.test', address]], 'files');
  const { areMounted } = names;
  const good = areMounted ? ['good.test'] : [address];
  // Without a name server in the order, a name that the file does not have is not found, and nothing is waited for.
  const silent = ['other.test'];
  const told = await names.run({ drone, nameServer: undefined, good, silent, connectTimeoutMs: 60_000 });
  assert.equal(told.stdout[0]?.split(' ')[2], address);
  const [failure] = told.failures;
  if (areMounted) assert.equal(failure?.kind, 'unreachable');
  assert.match(failure?.message ?? '', areMounted ? /name did not resolve: .*\(ENOTFOUND\)/ : /did not resolve/);
});
