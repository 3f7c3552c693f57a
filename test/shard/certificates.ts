/** A CA and a certificate for `localhost` that it has signed, made by OpenSSL. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'drone-certificates-'));
  const openssl = (command: string): Promise<unknown> => run('openssl', command.split(' '), { cwd: folder });
  const newKey = 'req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  try {
    await writeFile(join(folder, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    await openssl(`${newKey} -x509 -days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem`);
    await openssl(`${newKey} -subj /CN=localhost -keyout key.pem -out request.pem`);
    await openssl(
      'x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem',
    );
    const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
    const [ca, cert, key] = [await read('ca.pem'), await read('cert.pem'), await read('key.pem')];
    return { ca, cert, key };
  } finally {
    await rm(folder, { recursive: true });
  }
}
