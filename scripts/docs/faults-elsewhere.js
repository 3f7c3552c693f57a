// Faults whose tests are beside the part that meets them, and not in test/faults: the second table of docs/faults.md.
import { existsSync, readFileSync } from 'node:fs';
import { ROOT, tableOf } from './source.js';

/**
 * `file` is below test/, and `title` a part of the title of its test as the source has it.
 *
 * @typedef {{ fault: string, injected: string, sees: string, file: string, title: string }} FaultElsewhere
 */

/** By part. @type {Readonly<Record<string, readonly FaultElsewhere[]>>} */
export const ELSEWHERE = {
  'SSH and drones': [
    {
      fault: 'a hundred names of a round do not resolve, beside good ones',
      injected: 'a name server that never answers, in a mount namespace',
      sees: 'good names: their results; the others: `timeout`, phase `connect`, "the name did not resolve"',
      file: 'queue/transport/ssh/names.test.ts',
      title: 'names connect while a hundred others wait for a silent name server',
    },
    {
      fault: 'a host has two addresses: the first is dead, the second slow',
      injected: 'a server whose queue of connections is full',
      sees: 'its results, over the second address',
      file: 'queue/transport/ssh/tcp.test.ts',
      title: 'a host whose first address is dead and whose second is slow is connected to',
    },
    {
      fault: "the server's version line comes in pieces",
      injected: 'a proxy in front of sshd that sends 1 or 12 bytes at a time, also behind a greeting',
      sees: 'its results',
      file: 'queue/transport/ssh/version-line.test.ts',
      title: 'a version line in segments of',
    },
    {
      fault: 'the server keeps sending lines and never states its version',
      injected: 'a TCP server that sends lines without end',
      sees: '`unreachable`',
      file: 'queue/transport/ssh/version-line.test.ts',
      title: 'a server that talks on and never names a version is left',
    },
    {
      fault: 'the server refuses with a message, such as "Exceeded MaxStartups"',
      injected: '`MaxStartups 1:100:1`',
      sees: '`unreachable`, with the words, cut and without control characters',
      file: 'queue/transport/ssh/server-words.test.ts',
      title: 'a server that has too many logins says so',
    },
    {
      fault: 'the ssh-agent does not answer',
      injected: 'a socket that accepts and stays silent',
      sees: '`auth`, with the socket and what it was asked for',
      file: 'queue/transport/ssh/server-words.test.ts',
      title: 'a mute ssh-agent is named when the time is up',
    },
    {
      fault: 'the host key is on a list or KRL of revoked keys, or the list is damaged',
      injected: '`RevokedHostKeys`; `ssh` itself gives the expected verdict',
      sees: '`host-key`; `cause.code` `ERR_HOST_KEY_REVOKED` for a listed key',
      file: 'queue/transport/ssh/revoked-keys.long.test.ts',
      title: 'gives the verdict of ssh',
    },
    {
      fault: 'the RSA host key is too short, of the host or of its hop',
      injected: 'sshd with a key of 1,024 bits, the shortest it serves',
      sees: '`host-key`, `cause.code` `ERR_HOST_KEY_TOO_SHORT`, before any credential is sent',
      file: 'queue/transport/ssh/short-host-key.long.test.ts',
      title: 'a host key that is too short fails',
    },
    {
      fault: 'a setting of ssh_config cannot be obeyed',
      injected: 'every such setting, read by the installed `ssh -G`',
      sees: '`ERR_SSH_CONFIG_UNSUPPORTED`, with its name',
      file: 'queue/transport/ssh/config-table.test.ts',
      title: 'is refused by name, or answered by an option',
    },
    {
      fault: 'the server accepts only one signature algorithm for RSA keys',
      injected: '`PubkeyAcceptedAlgorithms rsa-sha2-512`, then `rsa-sha2-256`',
      sees: 'its results, with a key of a file and of an ssh-agent',
      file: 'queue/transport/ssh/rsa-signatures.long.test.ts',
      title: 'only lets in the RSA key of a file, and that of an ssh-agent',
    },
    {
      fault: 'the private key has a format that is not supported',
      injected: 'a key of PuTTY version 3',
      sees: '`auth`, with the line of `puttygen` that converts it',
      file: 'queue/transport/ssh/key-formats.long.test.ts',
      title: 'a PuTTY key is named with a line of puttygen',
    },
    {
      fault: 'a background child continues to write after its command',
      injected: 'ten lines a second, or as much as it can, with an agent, without one and on localhost',
      sees: 'the result, 200 ms after the exit; the child lives on',
      file: 'queue/transport/ssh/background.long.test.ts',
      title: 'a run ends with its command though a child writes on',
    },
    {
      fault: 'a background child writes after its call has returned, and after the queue has closed',
      injected: 'more than a pipe holds, ten times over, in the background, under `nohup` and in a session of its own',
      sees: 'nothing: the child lives on, without SIGPIPE',
      file: 'queue/transport/ssh/background.long.test.ts',
      title: 'what a run leaves behind writes on after the queue has closed',
    },
    {
      fault: 'Node has raised the limit of open files that its children inherit',
      injected: 'sshd under `prlimit`',
      sees: 'commands have the limits of the login',
      file: 'queue/transport/ssh/files-limit.long.test.ts',
      title: 'commands have the limits of open files of a login',
    },
    {
      fault: 'a command times out on dropbear, without an agent',
      injected: 'dropbear, which gives all commands of a connection one process group',
      sees: '`timeout`, `killed: true`: no process of the command is left',
      file: 'queue/transport/ssh/plain/dropbear.test.ts',
      title: 'a command whose time is up is ended with its foreground child',
    },
    {
      fault: 'a login is slow to start the kill of a command, without an agent',
      injected: "a script as sshd's `ForceCommand`, which waits for a file",
      sees: '`cancelled`, `killed: false`, with the output; `close` waits for the kill, and lists it if it gives it up',
      file: 'queue/transport/ssh/plain/slow-login.test.ts',
      title: 'a login that is slow to start the kill',
    },
    {
      fault: 'the connection ends at the moment a command is sent, without an agent',
      injected: 'a TCP proxy in front of an SSH server',
      sees: 'its results, over a new connection; the command runs once',
      file: 'queue/transport/ssh/warm.long.test.ts',
      title: 'a connection that ends before a command is requested is replaced',
    },
    {
      fault: 'a directory cannot be created in an existing one',
      injected: '`/proc`, and a working directory that was removed',
      sees: "`ENOENT`, where Node's recursive `mkdir` never returns",
      file: 'queue/transfer/make-directory.test.ts',
      title: 'where nothing can be made in a directory that is there, the reason is ENOENT',
    },
  ],
  Redis: [
    {
      fault: 'a failover behind one address: the old master answers `READONLY`',
      injected: 'two Redis servers behind a TCP proxy',
      sees: 'jobs continue at the new master, including running ones',
      file: 'executor/redis-refusals.long.test.ts',
      title: 'after a failover behind one address, jobs go on at the new master',
    },
    {
      fault: 'Redis temporarily refuses commands: `READONLY`, `MASTERDOWN`',
      injected: '`REPLICAOF` a missing server',
      sees: 'jobs wait, and continue when it ends',
      file: 'executor/redis-refusals.long.test.ts',
      title: 'a job that Redis cannot do now is done when it can',
    },
    {
      fault: 'Redis loads its data',
      injected: 'a slow load after SIGKILL',
      sees: 'jobs wait, and continue when it ends',
      file: 'executor/redis-refusals.long.test.ts',
      title: 'jobs wait for a Redis that loads its data',
    },
    {
      fault: 'Redis refuses commands for longer than `maxOutageMs`',
      injected: '`REPLICAOF` a missing server',
      sees: '`ERR_JOB_REFUSED`, `isTransient`: certainly not run',
      file: 'executor/redis-refusals.long.test.ts',
      title: 'a job that Redis refuses for too long fails as certainly not run',
    },
    {
      fault: 'Redis is in cluster mode, with keys on several servers or another one',
      injected: 'a cluster of two servers',
      sees: '`open` rejects with `ERR_REDIS_CLUSTER` and what to use',
      file: 'executor/redis-refusals.long.test.ts',
      title: 'a source does not open at a cluster that has its keys on several servers',
    },
    {
      fault: 'a slot of a cluster moves (`ASK`, `TRYAGAIN`), or has moved (`MOVED`)',
      injected: '`CLUSTER SETSLOT` in a cluster of two servers',
      sees: 'jobs wait, and continue; after `maxOutageMs`, `ERR_JOB_REFUSED` with the server that has the keys',
      file: 'executor/redis-refusals.long.test.ts',
      title: 'a slot that another server keeps fails jobs as not run',
    },
    {
      fault: 'the first command of a lane fails',
      injected: 'an ACL without `xrevrange`, then without `info`',
      sees: '`ERR_JOB_REFUSED`; the next job works',
      file: 'executor/redis-refusals.long.test.ts',
      title: 'an error at the first use of a lane does not keep the next job from it',
    },
    {
      fault: 'Redis is full',
      injected: '`maxmemory` with `noeviction`, and jobs of 1 MiB',
      sees: 'new jobs: `ERR_JOB_REFUSED`, `isTransient`; jobs that it holds are run',
      file: 'executor/redis-memory.long.test.ts',
      title: 'jobs that fill Redis are refused before it is full',
    },
    {
      fault: 'Redis is killed during a job and forgets everything',
      injected: 'SIGKILL, then a start without data',
      sees: '`ERR_JOB_LOST`; the job runs once, and the next one works',
      file: 'executor/redis-job-source.test.ts',
      title: 'a Redis that is killed in mid-job and has forgotten all',
    },
    {
      fault: 'an executor is killed during a job',
      injected: 'SIGKILL',
      sees: '`ERR_JOB_LOST`; no other executor runs the job again',
      file: 'executor/redis-job-source.test.ts',
      title: 'a job whose executor was killed is lost, is not run by another one',
    },
    {
      fault: 'a submitter is gone, and its waiting job has a `timeoutMs`',
      injected: 'its source is closed, and the time in Redis moved back',
      sees: 'no executor runs the job',
      file: 'executor/redis-job-source.test.ts',
      title: 'a job with a time limit whose submitter has died is not run later',
    },
  ],
  git: [
    {
      fault: 'two processes use one cache directory',
      injected: 'a second process, then SIGKILL to the first',
      sees: '`ERR_CACHE_IN_USE` before anything is touched; after the kill the second works',
      file: 'executor/cache-folder.test.ts',
      title: 'a second process is refused before it touches anything',
    },
    {
      fault: 'a power cut leaves zero bytes in `packed-refs` or another file of a copy',
      injected: 'the file overwritten, truncated or removed, in 21 ways',
      sees: 'the next job works; the copy is cloned again',
      file: 'executor/damage.long.test.ts',
      title: 'Object.entries(DAMAGES)',
    },
    {
      fault: 'the git server refuses connections, hangs up or answers 503 or 429',
      injected: 'a closed port, and servers that give a single answer, over http, https and git',
      sees: 'failed answers with `isTransient: true` and the repository, never a verdict on the change',
      file: 'executor/outages.long.test.ts',
      title: 'is an outage in the answers and the log',
    },
    {
      fault: 'the proxy of git is down or broken',
      injected: '`https_proxy` at a closed port, and at a server that answers 502',
      sees: 'the same',
      file: 'executor/outages.long.test.ts',
      title: 'a proxy that is away or out of order is an outage',
    },
    {
      fault: 'a captive portal answers in place of the git server',
      injected: 'an HTTP server that sends a page',
      sees: 'a failed update; no branch of the copy is removed',
      file: 'executor/outages.long.test.ts',
      title: 'in place of a git server removes no branch',
    },
    {
      fault: 'the git server hangs up in the middle of a pack',
      injected: 'a server in front of `git daemon`',
      sees: 'the update, at the third attempt',
      file: 'executor/git-faults.long.test.ts',
      title: 'a server that hangs up in the midst of a pack is asked again',
    },
    {
      fault: 'the disk is full during an update',
      injected: 'a limit on the size of files',
      sees: 'an error with a clear message; the update works once there is room',
      file: 'executor/git-faults.long.test.ts',
      title: 'a disk that is full during an update is an error in words',
    },
    {
      fault: 'git cannot be ended',
      injected: 'signals that have no effect on its process group',
      sees: '`ERR_GIT_STUCK`; its repository stays closed until that git has gone',
      file: 'executor/stuck-git.long.test.ts',
      title: 'is given up in words, and keeps its place alone until it has gone',
    },
    {
      fault: '`git gc` is slow',
      injected: 'a gc that waits',
      sees: 'updates, merges and jobs beside it; no second gc',
      file: 'executor/upkeep.long.test.ts',
      title: 'while a gc runs, updates, merges and jobs are done',
    },
    {
      fault: 'the remote is a shallow clone',
      injected: '`git clone --depth 1`',
      sees: 'jobs work; a merge that needs more history fails with `ERR_SHALLOW`',
      file: 'executor/shallow.long.test.ts',
      title: 'a merge whose common history is cut off says so in every mode',
    },
    {
      fault: 'a copy belongs to another user',
      injected: '`chown` to another uid',
      sees: 'the next job works; the copy is cloned again',
      file: 'executor/damage.test.ts',
      title: 'a copy of another user, as of a former uid, is made anew',
    },
    {
      fault: 'files are stored other than their attributes say',
      injected: 'CRLF under `text`, `filter`, `ident` and `working-tree-encoding`, with old and new git',
      sees: 'the merge, with files as they are stored',
      file: 'executor/merge-attributes.long.test.ts',
      title: 'files that attributes would convert are merged as they are stored',
    },
    {
      fault: 'a job overwrites all files of its workspace in place',
      injected: 'a shell loop, objects of git included',
      sees: 'cache and merge results are untouched',
      file: 'executor/workspace.test.ts',
      title: 'a job that overwrites its workspace in place',
    },
    {
      fault: 'a file to read is a symbolic link that leads to no file of its repository',
      injected: 'links to nowhere, out of the repository, to themselves and to a directory',
      sees: '`ERR_LINK`, with the reason',
      file: 'executor/read-files.test.ts',
      title: 'a symbolic link that leads to no file of its repository is named',
    },
    {
      fault: 'a branch was forced back after the job was submitted',
      injected: '`git reset` at the remote',
      sees: 'the original commit; `ERR_NO_REF` if no repository has it',
      file: 'executor/pinned-refs.long.test.ts',
      title: 'a commit that was forced away is got from the cache or the remote',
    },
  ],
  'Tenants, shards and stores': [
    {
      fault: 'a repository of one tenant hangs',
      injected: 'a source of files that does not answer',
      sees: 'layouts of all other tenants; no lock is held meanwhile',
      file: 'tenants/side-by-side.test.ts',
      title: 'a repository that hangs holds up its own tenants only',
    },
    {
      fault: 'another scheduler has read newer files, and nothing was caught up',
      injected: 'two loaders with one shared cache',
      sees: 'the later layout has the newer files',
      file: 'tenants/config-loader.test.ts',
      title: 'a layout has no older files than an earlier one of another scheduler',
    },
    {
      fault: 'a proxy refuses an upload with 413',
      injected: 'nginx with its default of 1 MiB',
      sees: 'smaller uploads; new work at once',
      file: 'shard/reverse-proxy.long.test.ts',
      title: 'behind the 1 MiB of nginx a shard gets work at once',
    },
    {
      fault: 'a store lacks the tables of a farm',
      injected: 'empty SQLite and PostgreSQL databases',
      sees: 'a failed heartbeat, with the migration that creates them',
      file: 'shard/set-up-faults.long.test.ts',
      title: 'on a store without tables heartbeats and the master say so',
    },
    {
      fault: 'the host table is broken',
      injected: '`ALTER TABLE` and a trigger',
      sees: 'a failed heartbeat, with the reason',
      file: 'shard/set-up-faults.long.test.ts',
      title: 'a broken host table fails the heartbeat of a shard',
    },
  ],
};

const HEAD = `## Tested beside their part

The tests of these faults are in the directory of the part that meets them, below \`test/\`. \`npm run test:full\` runs them
all; \`npm test\` runs those in files without \`.long\`.
`;

/** Rows whose test is not there. */
export function missingTests() {
  return Object.values(ELSEWHERE)
    .flat()
    .filter(({ file, title }) => {
      const path = new URL(`test/${file}`, ROOT);
      return !existsSync(path) || !readFileSync(path, 'utf8').includes(title);
    });
}

/** The part of the page. */
export function elsewhere() {
  const parts = Object.entries(ELSEWHERE).map(([part, faults]) => {
    const rows = faults.map(({ fault, injected, sees, file }) => [fault, injected, sees, `\`${file}\``]);
    return `### ${part}\n\n${tableOf(['fault', 'injected by', 'what the caller sees', 'test'], rows)}`;
  });
  return [HEAD, ...parts].join('\n');
}
