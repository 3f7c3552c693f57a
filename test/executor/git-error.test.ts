/** What follows from git's words, and that no other words pass for them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { cureFor, GitError, isTransient, mayPass } from '../../src/executor/git-error.js';

function failed(words: string, exitCode: number | null = 128, command = 'merge'): GitError {
  return new GitError('ERR_GIT_FAILED', command, 'failed', words, { exitCode });
}

const CURES: readonly (readonly [words: string, cure: string | undefined])[] = [
  ['fatal: bad object refs/heads/main', 'rebuild'],
  [
    'error: object file objects/ab/cd is empty\nfatal: loose object abcd (stored in objects/ab/cd) is corrupt',
    'rebuild',
  ],
  ["fatal: Unable to create '/x/web.git/index.lock': File exists.", 'unlock'],
  ['error: bad signature 0x00000000\nfatal: index file corrupt', 'unlock'],
  [
    'error: could not apply 1a2b3c4... Fix broken link in README\nCONFLICT (content): Merge conflict in a.md',
    undefined,
  ],
  ['error: could not apply 1a2b3c4... fatal: bad object', undefined],
  ['CONFLICT (add/add): Merge conflict in bad object\nerror: missing tree', undefined],
  ['remote: fatal: bad object of the server', undefined],
  ['error: The following untracked files would be overwritten by merge:\n\tloose object\nAborting', undefined],
  ['Auto-merging docs/missing blob', undefined],
];

for (const [words, cure] of CURES) {
  test(`the cure is ${cure ?? 'none'} for "${words.replaceAll('\n', ' / ')}"`, () => {
    assert.equal(cureFor(failed(words)), cure);
  });
}

test('a line that was cut off is not taken for another one', () => {
  const words = `error: could not apply 1a2b3c4... ${'x'.repeat(10)}fatal: bad object ${'y'.repeat(3958)}\nhint: more`;
  const { words: kept } = failed(words);
  assert.deepEqual([kept, cureFor(failed(words))], ['hint: more', undefined]);
});

test('what says nothing of a change may pass, and what does, does not', () => {
  const passing = [
    failed("fatal: unable to access 'https://git.example/': Could not resolve host: git.example", 128, 'fetch'),
    failed('error: file write error: No space left on device'),
    failed('', null),
    new GitError('ERR_GIT_TIMEOUT', 'fetch', 'took longer', ''),
    new GitError('ERR_GIT_NOT_STARTED', 'fetch', '', '', { cause: Object.assign(new Error(), { code: 'EMFILE' }) }),
  ];
  for (const error of passing) assert.equal(mayPass(error), true, error.message);
  const lasting = [
    failed('CONFLICT (content): Merge conflict in Connection refused', 1),
    failed('error: could not apply 1a2b3c4... early EOF', 1),
    failed("fatal: couldn't find remote ref refs/changes/1", 128, 'fetch'),
    failed("error: unable to create file 'Broken pipe': Connection refused: Is a directory"),
    new GitError('ERR_GIT_NOT_STARTED', 'fetch', '', '', { cause: Object.assign(new Error(), { code: 'ENOENT' }) }),
    new GitError('ERR_GIT_OUTPUT', 'fetch', 'wrote too much output', ''),
    new Error('early EOF'),
  ];
  for (const error of lasting) assert.equal(mayPass(error) || isTransient(error), false, error.message);
});

/** One of each way in which a server is not reached, goes away or does not answer, as git prints it. */
const OUTAGES = `
fatal: unable to access 'https://x/': Failed to connect to x port 443 after 0 ms: Couldn't connect to server
fatal: unable to access 'https://x/': Failed to connect to x port 443: Connection refused
fatal: unable to access 'https://x/': Operation too slow. Less than 1 bytes/sec transferred the last 60 seconds
fatal: unable to access 'https://x/': Could not resolve host: x
fatal: unable to access 'https://x/': Could not resolve proxy: x
fatal: unable to access 'https://x/': Couldn't resolve proxy name
fatal: unable to access 'https://x/': Resolving timed out after 5000 milliseconds
fatal: unable to access 'https://x/': Connection timed out after 300000 milliseconds
fatal: unable to access 'https://x/': Timeout was reached
fatal: unable to access 'https://x/': SSL connection timeout
fatal: unable to access 'https://x/': Proxy CONNECT aborted
fatal: unable to access 'https://x/': CONNECT tunnel failed, response 503
fatal: unable to access 'https://x/': Received HTTP code 407 from proxy after CONNECT
fatal: unable to access 'https://x/': Can't complete SOCKS5 connection to x. (1)
fatal: unable to access 'https://x/': SSL certificate problem: certificate has expired
fatal: unable to access 'https://x/': server certificate verification failed. CAfile: none CRLfile: none
fatal: unable to access 'https://x/': gnutls_handshake() failed: The TLS connection was non-properly terminated.
fatal: unable to access 'https://x/': OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to x:443
fatal: unable to access 'https://x/': error:0A00010B:SSL routines::wrong version number
fatal: unable to access 'https://x/': schannel: failed to receive handshake, SSL/TLS connection failed
fatal: unable to access 'https://x/': Recv failure: Connection reset by peer
fatal: unable to access 'https://x/': Send failure: Broken pipe
fatal: unable to access 'https://x/': Empty reply from server
fatal: unable to access 'https://x/': transfer closed with outstanding read data remaining
fatal: unable to access 'https://x/': HTTP/2 stream 1 was not closed cleanly: INTERNAL_ERROR (err 2)
fatal: unable to access 'https://x/': Error in the HTTP2 framing layer
fatal: unable to access 'https://x/': The requested URL returned error: 503
fatal: unable to access 'https://x/': The requested URL returned error: 429
fatal: unable to access 'https://x/': The requested URL returned error: 408
error: RPC failed; curl 56 GnuTLS recv error (-54): Error in the pull function.
error: RPC failed; curl 92 HTTP/2 stream 5 was not closed cleanly: CANCEL (err 8)
error: RPC failed; curl 18 transfer closed with outstanding read data remaining
error: RPC failed; curl 28 Operation too slow. Less than 1 bytes/sec transferred the last 60 seconds
error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502
error: RPC failed; result=28, HTTP code = 0
fatal: https://x/info/refs not valid: is this a git repository?
fatal: unable to connect to x: / x[0: 10.0.0.1]: errno=Connection refused
fatal: unable to look up x (port 9418) (Name or service not known)
fatal: unable to look up x (port 9418) (Temporary failure in name resolution)
fatal: Could not read from remote repository. /  / Please make sure you have the correct access rights / and the repository exists.
fatal: the remote end hung up unexpectedly
fatal: the remote end hung up upon initial contact
fatal: protocol error: bad line length character: <htm
fatal: read error: Connection timed out
fatal: read error: No route to host
fatal: early EOF
fetch-pack: unexpected disconnect while reading sideband packet
fatal: fetch-pack: invalid index-pack output
fatal: expected flush after ref listing
ssh: connect to host x port 22: Connection refused
ssh: connect to host x port 22: Host is down
ssh: Could not resolve hostname x: Name or service not known
ssh: Could not resolve hostname x: nodename nor servname provided, or not known
kex_exchange_identification: Connection closed by remote host
ssh_dispatch_run_fatal: Connection to 10.0.0.1 port 22: Broken pipe
Connection to x closed by remote host.
Connection closed by 10.0.0.1 port 22
Timeout, server x not responding.
client_loop: send disconnect: Broken pipe
channel 0: open failed: connect failed: No route to host
"System is booting up. Unprivileged users are not permitted to log in yet."
`;

test('every way of not reaching a server is an outage, and is tried again', () => {
  for (const line of OUTAGES.trim().split('\n')) {
    const words = line.replaceAll(' / ', '\n');
    const error = failed(words, 128, 'fetch');
    assert.deepEqual([isTransient(error), mayPass(error), cureFor(error)], [true, true, undefined], line);
  }
});

const REFUSALS = `
fatal: unable to access 'https://x/': The requested URL returned error: 403
fatal: unable to access 'https://x/': The requested URL returned error: 400
error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413
fatal: unable to access 'ftp://x/': Protocol "ftp" not supported
fatal: unable to access 'https:///x/': URL using bad/illegal format or missing URL
fatal: unable to access '/root/.gitconfig': Permission denied
fatal: Authentication failed for 'https://x/'
fatal: repository 'https://x/' not found
git@x: Permission denied (publickey).
git@x: Permission denied (publickey). / fatal: Could not read from remote repository. /  / Please make sure you have the correct access rights / and the repository exists.
Host key verification failed.
remote: Connection refused
`;

test('a refusal of the server is not an outage', () => {
  for (const line of REFUSALS.trim().split('\n')) {
    assert.equal(mayPass(failed(line.replaceAll(' / ', '\n'), 128, 'fetch')), false, line);
  }
});
