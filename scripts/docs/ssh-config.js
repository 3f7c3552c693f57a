// docs/ssh-config.md: what becomes of each setting of ssh_config, from the table of the code (dist/).
import { SETTINGS } from '../../dist/queue/transport/ssh/config-table.js';
import { GENERATED, tableOf } from './source.js';

const HEAD = `# ssh_config

\`SshDrone.fromSshConfig(name, options)\` creates the drone that \`ssh <name>\` would reach. It runs the system's own
\`ssh -G\`, so ssh itself resolves \`Host\`, \`Match\`, \`Include\` and the canonical form of the host name. No other
call reads ssh_config. Options given in code take precedence over ssh_config. \`configFile\` names a file to read
instead of the user's and the system's files.

${GENERATED}

## How settings are treated

| treatment | what it means |
| --- | --- |
| obeyed | The setting becomes an option of the drone. |
| refused | The setting affects which host is trusted, how it is reached or how the drone logs in, and cannot be obeyed. If it differs from ssh's default, \`fromSshConfig\` rejects with \`ERR_SSH_CONFIG_UNSUPPORTED\` and names the setting. Any of the options listed after "unless", given in code, replaces it. |
| ignored | The setting has no effect on a call, or could only add something that is not supported here, such as another way to log in. A login that needs it fails, and the error lists what the server accepts. |

- A setting of a newer or patched ssh that is not in the table is refused if it differs from what that ssh prints
  without any configuration.
- Each hop of ProxyJump uses its own ssh_config. Of your options, hops take only \`passphrase\`. To replace a hop that
  is refused, pass \`via\`.
- \`fromSshConfig\` rejects with \`ERR_SSH_NOT_FOUND\` if \`ssh\` is missing, and with \`ERR_SSH_CONFIG\` if \`ssh\`
  refuses the name or the file.

## Not printed by \`ssh -G\`

- **Certificates.** With a key, ssh also offers its certificate \`<key>-cert.pub\`. Certificates are not supported: the
  drone offers only the key, and the error of a refused login names the certificate.
- **Environment variables** of ssh, such as \`SSH_ASKPASS\`, are not read, except \`SSH_AUTH_SOCK\` if it is the default
  of IdentityAgent.
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
  return [HEAD, tableOf(['setting', 'treatment', 'resulting option, or reason'], rows)].join('\n');
}
