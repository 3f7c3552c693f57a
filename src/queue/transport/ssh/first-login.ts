/** What to do when a first login fails although `ssh` itself gets in: the end of the messages. */
import { existsSync } from 'node:fs';
import { expandHome } from '../../../option/home.js';
import type { SshPoint } from './ssh-endpoint.js';

/** The keys that ssh tries by default, as far as ssh2 can use them. */
const DEFAULT_IDENTITIES = ['~/.ssh/id_ed25519', '~/.ssh/id_ecdsa', '~/.ssh/id_rsa'];

/** How to have an unknown host key trusted, once its fingerprint is found to be right. */
export function hostKeyMend(point: SshPoint): string {
  const { host, hostname, port, knownHosts, hostKeyAlias } = point;
  const file = knownHosts[0] ?? '~/.ssh/known_hosts';
  // Shown as a command only where no shell takes it for more.
  const isScannable = hostKeyAlias === undefined && /^[\w.:%-]+$/.test(host) && /^[\w./~+-]+$/.test(file);
  const ways = [
    ...(isScannable ? [`add it with ssh-keyscan -p ${String(port)} ${host} >> ${file}`] : []),
    "use hostKeys: 'accept-new'",
    'name the file that contains it in knownHosts',
    `use SshDrone.fromSshConfig('${hostname}') to trust what ssh trusts`,
  ];
  return `if the fingerprint is right, ${ways.join(', or ')}`;
}

/** Which credentials to give. `serverText` is what the server said as it closed the connection. */
export function loginMend({ hostname, user, identity }: SshPoint, serverText = ''): string {
  if (/too many/i.test(serverText)) return 'offer fewer keys: identity with identitiesOnly: true';
  const first = DEFAULT_IDENTITIES.find(path => !identity.includes(expandHome(path)) && existsSync(expandHome(path)));
  const key = first === undefined ? 'identity, a private key' : `identity: '${first}', which ssh would try`;
  return `give ${key}, or a user other than ${user}, or use SshDrone.fromSshConfig('${hostname}') to log in as ssh does`;
}
