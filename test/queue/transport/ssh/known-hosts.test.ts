import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import fc from 'fast-check';
import { KnownHosts, keyTypeOf } from '../../../../src/queue/transport/ssh/known-hosts.js';
import { leakCheck } from '../../../support/leak-check.js';
import { keyBlob } from './known-hosts-lines.js';

let folder: string;
let files = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-known-hosts-'));
});
after(() => rm(folder, { recursive: true }));
leakCheck();

function line(names: string, blob: Buffer, marker = ''): string {
  return `${marker}${marker && ' '}${names} ${keyTypeOf(blob) ?? ''} ${blob.toString('base64')} a comment`;
}

function hashed(name: string): string {
  const salt = randomBytes(20);
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

async function file(...lines: string[]): Promise<string> {
  const path = join(folder, String(files++));
  await writeFile(path, lines.join('\n'));
  return path;
}

const A = keyBlob(1);
const B = keyBlob(2);

const cases: readonly [name: string, lines: string[], host: string, port: number, status: string, at?: number][] = [
  ['a plain name', [line('web1', A)], 'web1', 22, 'known', 1],
  ['a name in other case', [line('Web1', A)], 'wEB1', 22, 'known', 1],
  ['one of several names', [line('x,web1,y', A)], 'web1', 22, 'known', 1],
  ['another name', [line('web1', A)], 'web2', 22, 'unknown'],
  ['a part of a name', [line('web1', A)], 'web', 22, 'unknown'],
  ['an IPv6 address', [line('::1', A)], '::1', 22, 'known', 1],
  ['a port', [line('[web1]:2222', A)], 'web1', 2222, 'known', 1],
  ['an IPv6 address with a port', [line('[::1]:2222', A)], '::1', 2222, 'known', 1],
  ['another port', [line('[web1]:2222', A)], 'web1', 2223, 'unknown'],
  ['a port where none is recorded', [line('web1', A)], 'web1', 2222, 'known', 1],
  ['a port, and another key without it', [line('web1', B)], 'web1', 2222, 'unknown'],
  ['a port for the usual one', [line('[web1]:22', A)], 'web1', 22, 'unknown'],
  ['a hashed name', [line(hashed('web0'), B), line(hashed('web1'), A)], 'web1', 22, 'known', 2],
  ['a hashed name with a port', [line(hashed('[web1]:2222'), A)], 'web1', 2222, 'known', 1],
  ['a star', [line('*.example.org', A)], 'a.b.example.org', 22, 'known', 1],
  ['a star that needs a dot', [line('*.example.org', A)], 'example.org', 22, 'unknown'],
  ['question marks', [line('web??', A)], 'web12', 22, 'known', 1],
  ['too few characters for the question marks', [line('web??', A)], 'web1', 22, 'unknown'],
  ['a negated name', [line('*,!web1', A)], 'web1', 22, 'unknown'],
  ['a name beside a negated one', [line('!web1,*', A)], 'web2', 22, 'known', 1],
  ['nothing but a negated other name', [line('!web1', A)], 'web2', 22, 'unknown'],
  ['one of several keys', [line('web1', B), line('web1', A)], 'web1', 22, 'known', 2],
  ['only other keys', ['', '# c', line('web1', B)], 'web1', 22, 'changed', 3],
  [
    'another key of the same type before one of another type',
    [line('web1', keyBlob(3, 'ssh-rsa')), line('web1', B)],
    'web1',
    22,
    'changed',
    2,
  ],
  ['only a key of another type', [line('web1', keyBlob(3, 'ssh-rsa'))], 'web1', 22, 'changed', 1],
  ['a revoked key', [line('web1', A), line('*', A, '@revoked')], 'web1', 22, 'revoked', 2],
  ['a revoked key with a port', [line('[web1]:2222', A), line('web1', A, '@revoked')], 'web1', 2222, 'revoked', 2],
  [
    'a revoked key under a hashed name',
    [line('web1', A), line(hashed('web1'), A, '@revoked')],
    'web1',
    22,
    'revoked',
    2,
  ],
  ['a key revoked for another name', [line('web1', A), line('web2,!web1', A, '@revoked')], 'web1', 22, 'known', 1],
  ['a revoked other key', [line('*', B, '@revoked'), line('web1', A)], 'web1', 22, 'known', 2],
  ['only a revoked other key', [line('*', B, '@revoked')], 'web1', 22, 'unknown'],
  ['an authority', [line('*', A, '@cert-authority')], 'web1', 22, 'cert-authority', 1],
  ['an authority beside the key', [line('*', B, '@cert-authority'), line('web1', A)], 'web1', 22, 'known', 2],
  ['an unknown marker', [line('web1', A, '@trusted')], 'web1', 22, 'unknown'],
  ['leading blanks and tabs', [` \t${line('web1', A).replaceAll(' ', '\t')}`], 'web1', 22, 'known', 1],
  [
    'a file from Windows',
    [`${line('web1', B)}\r`, `${line('web1', A).replace(' a comment', '')}\r`],
    'web1',
    22,
    'known',
    2,
  ],
  ['a comment line', [`#${line('web1', A)}`], 'web1', 22, 'unknown'],
  ['a type that is not the key’s', [line('web1', A).replace('ssh-ed25519', 'ssh-rsa')], 'web1', 22, 'unknown'],
  ['a line that is cut short', [line('web1', A).slice(0, 30), line('web1', A)], 'web1', 22, 'known', 2],
];

for (const [name, lines, host, port, status, at] of cases) {
  test(`looked up by ${name}, the host key is ${status}`, async () => {
    const path = await file(...lines, '');
    const finding = (await KnownHosts.load([path])).check(host, port, 'ssh-ed25519', A);
    assert.deepEqual(finding, at === undefined ? { status } : { status, file: path, line: at });
  });
}

test('several files count as one, and missing ones as empty', async () => {
  const paths = [join(folder, 'none'), await file(line('web1', B)), await file(line('web1', A))];
  const hosts = await KnownHosts.load(paths);
  assert.deepEqual(hosts.check('web1', 22, 'ssh-ed25519', A), { status: 'known', file: paths[2], line: 1 });
  assert.deepEqual((await KnownHosts.load([join(folder, '0', 'below-a-file')])).recordedTypes('web1', 22), []);
});

test('a path that is not a file is an error, not an empty file', async () => {
  await assert.rejects(KnownHosts.load([folder]), { code: 'EISDIR' });
});

test('recorded types are those of usable keys for the host and port', async () => {
  const rsa = keyBlob(4, 'ssh-rsa');
  const hosts = await KnownHosts.load([
    await file(
      line('web1', A),
      line('web*', rsa),
      line('web1', B),
      line('web1', keyBlob(5, 'x'), '@cert-authority'),
      line('[web1]:24', rsa),
    ),
  ]);
  assert.deepEqual(hosts.recordedTypes('web1', 22), ['ssh-ed25519', 'ssh-rsa']);
  assert.deepEqual(hosts.recordedTypes('web1', 24), ['ssh-rsa']);
  assert.deepEqual(hosts.recordedTypes('web1', 25), ['ssh-ed25519', 'ssh-rsa']);
  assert.deepEqual(hosts.recordedTypes('db1', 22), []);
});

test('a file is read again when it has changed, and only then', async () => {
  const path = await file(line('web1', A));
  const statusOf = async (host: string): Promise<string> =>
    (await KnownHosts.load([path])).check(host, 22, 'ssh-ed25519', A).status;
  await utimes(path, 1_000_000_000, 1_000_000_000);
  assert.equal(await statusOf('web1'), 'known');
  // The same size and time, so unchanged to the eye: a second reading would show.
  await writeFile(path, line('web2', A));
  await utimes(path, 1_000_000_000, 1_000_000_000);
  assert.equal(await statusOf('web1'), 'known');
  await writeFile(path, `${line('web2', A)}\n`);
  assert.equal(await statusOf('web1'), 'unknown');
  assert.equal(await statusOf('web2'), 'known');
});

test('a file that grows is known with its new lines, and one that changes while it grows is read anew', async () => {
  const path = await file(line('web1', A), line(hashed('web2'), A), '');
  const hosts = async (): Promise<KnownHosts> => KnownHosts.load([path]);
  const find = async (host: string, key = A): Promise<unknown> => {
    const { status, line: at } = (await hosts()).check(host, 22, 'ssh-ed25519', key);
    return [status, at];
  };
  assert.deepEqual(await Promise.all(['web1', 'web2', 'web3'].map(host => find(host))), [
    ['known', 1],
    ['known', 2],
    ['unknown', undefined],
  ]);
  const grown = [
    readFileSync(path, 'utf8') + line('web3', A),
    line(hashed('web1'), B),
    line('web*', B, '@revoked'),
    '',
  ];
  await writeFile(path, grown.join('\n'));
  assert.deepEqual(await Promise.all(['web1', 'web2', 'web3'].map(host => find(host))), [
    ['known', 1],
    ['known', 2],
    ['known', 3],
  ]);
  assert.deepEqual(await find('web1', B), ['revoked', 5]);
  const text = readFileSync(path, 'utf8');
  await writeFile(path, `${line('web1', B)}\n${text.slice(text.indexOf('\n') + 1)}# and a comment\n`);
  assert.deepEqual(await find('web1', A), ['changed', 1]);
  // The last line was not whole yet.
  await writeFile(path, line('web4', A).slice(0, -12));
  await writeFile(path, `${line('web4,web5', A)}\n`);
  assert.deepEqual(await find('web5'), ['known', 1]);
});

test('whatever is in the file, a lookup gives an answer', async () => {
  const scrap = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '@revoked ',
      '@cert-authority ',
      '|1|',
      '*',
      '!',
      ',',
      '[',
      ']:22',
      ' ssh-ed25519 ',
      '\n',
      '#',
      '\t',
      '\0',
    ),
    fc.constant(line('web1', A)),
    fc.constant('AAAA'),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(scrap, { maxLength: 30 }), async scraps => {
      const path = await file(scraps.join(''));
      const hosts = await KnownHosts.load([path]);
      assert.match(
        hosts.check('web1', 22, 'ssh-ed25519', A).status,
        /^(known|unknown|changed|revoked|cert-authority)$/,
      );
      hosts.recordedTypes('', 65_535);
    }),
    { numRuns: 300 },
  );
});

test('a pattern of many stars is answered in good time', async () => {
  const hosts = await KnownHosts.load([await file(line(`${'*a'.repeat(200)}b`, A))]);
  assert.equal(hosts.check('a'.repeat(255), 22, 'ssh-ed25519', A).status, 'unknown');
});

/** Keys that ssh-keygen takes for real, each of its own: so that what is found tells the line. */
function realKeys(count: number): string[] {
  return Array.from({ length: count }, (_, at) => {
    const path = join(folder, `real-${String(at)}`);
    const type = at % 2 === 0 ? 'ed25519' : 'ecdsa';
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', path]);
    return readFileSync(`${path}.pub`, 'utf8').trim();
  });
}

test('the lines that ssh-keygen -F finds are found, markers and all, and no others', async () => {
  const MAX_LINES = 6;
  const publicKeys = realKeys(MAX_LINES);
  const name = fc.constantFrom('web1', 'web2', 'WEB1', 'web1.org', '[web1]:2222', '10.0.0.1', '[::1]:2222', 'a');
  const pattern = fc.oneof(
    { weight: 3, arbitrary: name },
    fc.constantFrom('web*', '*', 'web?', '*.org', '10.0.*', '[web1]:*', '?', '**1', 'w*b*'),
  );
  const item = fc.tuple(fc.constantFrom('', '', '', '!'), pattern).map(parts => parts.join(''));
  const names = fc.oneof(
    { weight: 4, arbitrary: fc.array(item, { minLength: 1, maxLength: 4 }).map(items => items.join(',')) },
    fc.constantFrom('web1', 'web2', '[web1]:2222', '10.0.0.1').map(hashed),
  );
  const before = fc.constantFrom(
    '',
    '',
    '',
    '# ',
    '\t',
    '@bad ',
    '@revoked ',
    '@cert-authority\t',
    '@revoked',
    ' @revoked  ',
  );
  const after = fc.constantFrom('', ' a comment', '\t# x', '\r', ' ');
  const entry = fc.tuple(before, names, fc.constantFrom(' ', '\t', ' \t ', ' x '), after);
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { minLength: 1, maxLength: MAX_LINES }),
      fc.constantFrom('', '\n'),
      async (entries, end) => {
        const lines = entries.map(
          ([start, list, between, rest], at) => `${start}${list}${between}${publicKeys[at] ?? ''}${rest}`,
        );
        const path = await file(lines.join('\n') + end);
        const hosts = await KnownHosts.load([path]);
        for (const asked of ['web1', 'web2', '10.0.0.1', '[web1]:2222']) {
          const { stdout } = spawnSync('ssh-keygen', ['-F', asked, '-f', path], { encoding: 'utf8' });
          const found = [...stdout.matchAll(/found: line (\d+)/g)].map(([, line]) => Number(line));
          const [, host = asked, port = '22'] = /^\[(.*)\]:(\d+)$/.exec(asked) ?? [];
          const told = `${asked} in\n${lines.join('\n')}\n${stdout}`;
          for (const [at, publicKey] of publicKeys.slice(0, lines.length).entries()) {
            const [type = '', base64 = ''] = publicKey.split(' ');
            const finding = hosts.check(host, Number(port), type, Buffer.from(base64, 'base64'));
            // Of a port, ssh-keygen looks up that one only; ssh, and so do we, also the name without it.
            if (port !== '22' && !found.includes(at + 1) && finding.status !== 'unknown') continue;
            const isFound = finding.line === at + 1;
            const isAuthority = entries[at]?.[0].includes('@cert-authority') === true;
            // An authority's line is named only where nothing else is, as it serves for nothing.
            if (!isAuthority) assert.equal(isFound, found.includes(at + 1), told);
            if (finding.status === 'unknown')
              assert.deepEqual(
                found.filter(line => line === at + 1),
                [],
                told,
              );
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});
