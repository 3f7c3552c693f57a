/** Logins over SSH that need an answer of the caller's, and what is reported of them: everything but the secrets. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { inspect } from 'node:util';
import { type DroneError, events, SshDrone, type SshDroneOptions } from 'drone-task-queue';
import { startSshServer } from 'drone-task-queue/testing';
import { leakCheck } from '../support/leak-check.js';
import { startLoginServer } from '../queue/transport/ssh/login-server.js';
import { queues } from './queues.js';
import { exceptionOf, failureOf } from './rejections.js';

const SECRET = 'hunter2-passphrase';
let folder: string;
let identity: string;
let authorizedKeys: string[];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drone-login-'));
  identity = join(folder, 'id_ed25519');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-a', '1', '-N', SECRET, '-f', identity]);
  authorizedKeys = [readFileSync(`${identity}.pub`, 'utf8')];
});
after(() => rm(folder, { recursive: true }));
leakCheck();

for (const make of queues) {
  test(`${make.name}: a passphrase is asked for once, however many drones and rounds need it`, async () => {
    await using server = await startSshServer({ authorizedKeys });
    await using queue = make();
    const asked: string[] = [];
    const passphrase = (path: string): string => {
      asked.push(path);
      return SECRET;
    };
    for (const round of ['first', 'second']) {
      const drones = Array.from(
        { length: 10 },
        (_, at) => new SshDrone(`${round}${String(at)}`, { ...server.droneOptions(), identity, passphrase }),
      );
      for (const drone of drones) drone.queueCall('run', 'true');
      assert.equal((await queue.execute(drones)).size, 10);
    }
    assert.deepEqual(asked, [identity]);
  });

  test(`${make.name}: a passphrase that does not fit fails with auth, and is asked for again in the next round`, async () => {
    await using server = await startSshServer({ authorizedKeys });
    await using queue = make();
    const answers: (string | Error)[] = ['hunter2', new Error('the vault is sealed'), SECRET];
    const passphrase = (): string => {
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer ?? assert.fail('asked too often');
    };
    const drone = new SshDrone('web1', { ...server.droneOptions(), identity, passphrase });
    drone.queueCall('run', 'true');
    const wrong = failureOf(await queue.settle([drone]), drone);
    assert.equal(wrong.kind, 'auth');
    assert.match(wrong.message, /the passphrase is wrong/);
    assert.equal(wrong.notStarted.length, 1);
    const sealed = failureOf(await queue.settle([drone]), drone);
    assert.equal(sealed.kind, 'auth');
    assert.match(inspect(sealed.cause, { depth: 5 }), /the vault is sealed/);
    assert.equal((await queue.execute([drone])).size, 1);
  });

  test(`${make.name}: a function that never answers fails its drone with auth when connectTimeoutMs is over`, async () => {
    await using server = await startSshServer({ authorizedKeys });
    await using queue = make();
    const passphrase = (): Promise<string> => new Promise(() => undefined);
    const hop = new SshDrone('hop', { ...server.droneOptions(), identity, passphrase });
    for (const way of [{ identity, passphrase }, { via: hop }]) {
      const drone = new SshDrone('web1', { ...server.droneOptions(), ...way, connectTimeoutMs: 500 });
      const attempt = async (): Promise<DroneError> => {
        drone.clearCallQueue();
        drone.queueCall('run', 'true');
        return failureOf(await queue.settle([drone]), drone);
      };
      let failure = await attempt();
      // On a busy machine the time may be over before the login has come so far as to ask.
      for (let again = 0; failure.kind === 'timeout' && again < 20; again++) failure = await attempt();
      assert.equal(failure.kind, 'auth');
      assert.match(failure.message, /waits for the passphrase of \S+id_ed25519; no login within 500 ms/);
      assert.equal(failure.message.includes('via '), 'via' in way);
    }
  });

  test(`${make.name}: no secret is in what is thrown, logged, published, counted or printed`, async () => {
    const secrets = { password: 'hunter2-pw', answer: 'hunter2-answer', env: 'hunter2-env', wrong: 'hunter2-wrong' };
    const seen: unknown[] = [];
    const look = (message: unknown): void => {
      seen.push(message);
    };
    const names = Object.values(events);
    for (const name of names) subscribe(name, look);
    const log = { debug: look, info: look, warn: look, error: look };
    const write = (...all: unknown[]): void => {
      seen.push(...all);
    };
    await using closed = await startLoginServer(context => {
      if (context.method !== 'keyboard-interactive') context.reject(['password', 'keyboard-interactive']);
      else
        context.prompt([{ prompt: 'Code: ', echo: false }], () => {
          context.reject(['keyboard-interactive']);
        });
    });
    await using open = await startSshServer({ authorizedKeys, password: secrets.password });
    try {
      await using queue = make({
        stats: { timing: write, increment: write, gauge: write },
        log: Object.fromEntries(
          Object.keys(log).map(level => [level, (...all: unknown[]): void => void seen.push(...all)]),
        ) as unknown as typeof log,
      });
      const env = { TOKEN: secrets.env };
      const hop = new SshDrone('hop', { ...open.droneOptions(), identity: [], password: secrets.wrong });
      const all: SshDroneOptions[] = [
        { ...closed.options, password: secrets.password, keyboardInteractive: () => [secrets.answer] },
        { ...closed.options, password: secrets.password, env },
        { ...open.droneOptions(), identity, passphrase: secrets.wrong, env },
        { ...open.droneOptions(), identity, passphrase: () => secrets.wrong },
        { ...open.droneOptions(), via: hop },
        { ...open.droneOptions(), identity, passphrase: SECRET, env },
        { ...open.droneOptions(), identity: [], password: secrets.password, agentCommand: 'no-such-node' },
      ];
      const drones = all.map((options, at) => new SshDrone(`drone${String(at)}`, options));
      for (const drone of drones) drone.queueCall('run', 'true');
      const exception = await exceptionOf(queue.execute(drones));
      assert.equal(exception.failures.size, drones.length - 1);
      seen.push(exception, exception.message, exception.stack, ...exception.failures.values(), ...drones);
      seen.push(JSON.stringify(drones));
    } finally {
      for (const name of names) unsubscribe(name, look);
    }
    assert.ok(seen.length > 20);
    for (const each of seen) {
      const text = inspect(each, { depth: 20, showHidden: true, getters: true, maxStringLength: null });
      assert.ok(!text.includes('hunter2'), text);
    }
  });
}
