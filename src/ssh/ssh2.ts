/** The one door to ssh2, opened at the first connection: who has no SSH drone does not pay for loading it. */
let ssh2: Promise<typeof import('ssh2')> | undefined;

export function loadSsh2(): Promise<typeof import('ssh2')> {
  ssh2 ??= import('ssh2').then(module => module.default);
  return ssh2;
}
