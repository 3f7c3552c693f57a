// docs/ssh-config.md: what becomes of each setting of ssh_config, from the table of the code (dist/).
import { SETTINGS } from '../../dist/queue/transport/ssh/config-table.js';
import { GENERATED, tableOf } from './source.js';

const HEAD = `# ssh_config

\`SshDrone.fromSshConfig(name, options)\` makes the drone that \`ssh <name>\` would reach. It runs the system's own \`ssh -G\`,
so \`Host\`, \`Match\`, \`Include\` and the canonical form of the host name are resolved by ssh itself. No other call reads
ssh_config. Options given in code take precedence over ssh_config. \`configFile\` names a file to read in place of the
user's and the system's files.

${GENERATED}

## How settings are treated

| treatment | what it means |
| --- | --- |
| obeyed | The setting becomes an option of the drone. |
| refused | The setting changes which host the drone trusts, how it is reached or how it logs in, and cannot be obeyed. If it differs from ssh's default, \`fromSshConfig\` rejects with \`ERR_SSH_CONFIG_UNSUPPORTED\` and names it. One of the options after "unless", given in code, replaces it. |
| ignored | The setting has no part in a call, or could only add what the drone then does not accept, such as another way to log in. A login that needs it fails, and the error lists what the server accepts. |

- A setting that is not in the table, of a newer or a patched ssh, is refused if it differs from what that ssh prints
  without any configuration.
- Each hop of ProxyJump has its own ssh_config. Of your options, hops take only \`passphrase\`. To replace a hop that is
  refused, give \`via\`.
- \`fromSshConfig\` rejects with \`ERR_SSH_NOT_FOUND\` where \`ssh\` is missing, and with \`ERR_SSH_CONFIG\` where \`ssh\`
  refuses the name or the file.

## Not printed by \`ssh -G\`

- **Certificates.** ssh also offers a certificate \`<key>-cert.pub\` beside a key. Certificates are not supported: only the
  key is offered, and the error of a refused login names the certificate.
- **Environment variables** of ssh, such as \`SSH_ASKPASS\`, are not read, except \`SSH_AUTH_SOCK\` where it is the default of
  IdentityAgent.
- **Spaces in paths.** ssh prints paths of known_hosts files unquoted, so one path with a space looks like two.

## All settings
`;

/** The page, as it should be. */
export function page() {
  const rows = Object.entries(SETTINGS).map(([name, { use, why, harmless, unless, isDirectOnly }]) => {
    const more = [
      use === 'refused' && harmless ? ` (but not ${harmless.map(value => `\`${value}\``).join(', ')})` : '',
      unless ? `; unless ${unless.map(option => `\`${option}\``).join(' or ')}` : '',
      isDirectOnly ? '; without effect behind a hop' : '',
    ];
    return [name, use, `${why}${more.join('')}`];
  });
  return [HEAD, tableOf(['setting', 'treatment', 'becomes, or why not'], rows)].join('\n');
}
