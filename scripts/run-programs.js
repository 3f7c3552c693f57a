// Runs the programs of README.md and docs/ with the packed package, as readers do, and compares what they print.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { docPrograms } from './doc-blocks.js';
import { mismatch } from './expected-output.js';

/** The hosts that a program may name. */
const HOSTS = ['web1', 'web2', 'web3', 'web4', 'db1', 'db2'];
/** A program with one of these needs hosts. */
const NEEDS_HOSTS = /\bfromSshConfig\b|\bprocess\.argv\b/;

/**
 * Calls `report` for each program whose title has one of the parts; all where there are none.
 * @param {import('./empty-project.js').EmptyProject} project
 * @param {readonly string[]} parts
 * @param {(title: string, problem: string | undefined) => void} report
 */
export async function runPrograms(project, parts, report) {
  const programs = docPrograms().filter(({ title }) => parts.length === 0 || parts.some(part => title.includes(part)));
  const hosts = programs.some(({ text }) => NEEDS_HOSTS.test(text)) ? await startHosts() : undefined;
  try {
    for (const program of programs) report(program.title, problemOf(project, program, hosts?.env ?? process.env));
    return programs.length;
  } finally {
    await hosts?.stop();
  }
}

/**
 * @param {import('./empty-project.js').EmptyProject} project
 * @param {import('./doc-blocks.js').Program} program
 * @param {NodeJS.ProcessEnv} env
 */
function problemOf(project, { title, text, output, varies, files }, env) {
  const directory = join('programs', title.replace(/\W/g, '_'));
  for (const [name, content] of files) project.write(join(directory, name), content);
  project.write(join(directory, 'program.ts'), text);
  const hosts = NEEDS_HOSTS.test(text) ? HOSTS : [];
  const { failure, stdout, stderr } = project.node(['--import=tsx', 'program.ts', ...hosts], { directory, env });
  const same = (/** @type {string} */ lines) => (varies ? lines.replace(varies, '…') : lines);
  const problem = failure ?? (output === undefined ? undefined : mismatch(same(output), same(stdout)));
  return problem === undefined ? undefined : `${title}: ${problem}\n--- stdout\n${stdout}--- stderr\n${stderr}---`;
}

/**
 * A real sshd, and an environment whose `ssh` knows it by the names of the hosts: an ssh_config of the user's would not do,
 * as ssh finds it by the user and not by HOME.
 */
async function startHosts() {
  // By its own name, since this file is JavaScript: tsx looks for no TypeScript behind `.js` here.
  const url = new URL('../test/support/sshd.ts', import.meta.url).href;
  const { startSshd } = /** @type {typeof import('../test/support/sshd.js')} */ (await import(url));
  const path = [dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(':');
  const sshd = await startSshd({ SetEnv: `PATH=${path}` }, HOSTS.length);
  const directory = mkdtempSync(join(tmpdir(), 'drone-docs-hosts-'));
  const config = join(directory, 'config');
  const names = HOSTS.map((name, at) => `Host ${name}\n  HostName ${String(sshd.addresses[at])}\n`);
  const login = { Port: sshd.port, User: sshd.user, IdentityFile: sshd.identity, UserKnownHostsFile: sshd.knownHosts };
  const settings = Object.entries({ ...login, IdentityAgent: 'none', ConnectTimeout: 10 });
  const common = settings.map(([name, value]) => `  ${name} ${String(value)}\n`);
  writeFileSync(config, `${names.join('')}Host *\n${common.join('')}`);
  const ssh = join(directory, 'ssh');
  writeFileSync(ssh, `#!/bin/sh\nPATH=\${PATH#*:}\nexec ssh -F '${config}' "$@"\n`);
  chmodSync(ssh, 0o755);
  return {
    env: { ...process.env, PATH: [directory, process.env['PATH']].join(delimiter) },
    stop: async () => {
      rmSync(directory, { recursive: true });
      await sshd.stop();
    },
  };
}
