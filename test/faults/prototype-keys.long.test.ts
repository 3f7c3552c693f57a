import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalDrone, SshDrone, ThreadedTaskQueue } from 'drone-task-queue';
import { leakCheck } from '../support/leak-check.js';
import { startSshd } from '../support/sshd.js';
import { fault } from './fault.js';
import { Others } from './others.js';
import { withSharedFolder } from './shared-folder.js';

leakCheck();

/** Parsed, these are own keys; assigned or merged carelessly, they reach what all objects inherit. */
const POISON =
  '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},' +
  '"list":[{"__proto__":{"polluted":3},"toString":4,"hasOwnProperty":5}]}';

const UTILITY = new URL(
  `data:text/javascript,${encodeURIComponent(`export const give = () => JSON.parse('${POISON}');`)}`,
);

interface Poisoner {
  give(): unknown;
}

const LIAR = new URL('./programs/prototype-agent.js', import.meta.url);

fault(
  {
    row: 18,
    fault: 'a value with own keys `__proto__` and `constructor`',
    injected: 'a utility method returns it, over SSH and on localhost; and a rogue agent sends it, over SSH',
    sees: 'the value, plain data with these keys as own properties; `Object.prototype` is untouched',
    within: 'no delay',
    withinMs: 3000,
  },
  async ({ inTime }) => {
    await using sshd = await startSshd();
    await withSharedFolder(async folder => {
      const path = join(folder, 'agent.mjs');
      await copyFile(LIAR, path);
      await using queue = new ThreadedTaskQueue({ threads: 2 });
      const { agentCommand = '', ...options } = sshd.droneOptions();
      const others = new Others([new SshDrone('other', sshd.droneOptions('127.0.1.2')), new LocalDrone()]);
      const poisoners = [
        new SshDrone<Poisoner>('web1', { ...options, agentCommand, utility: UTILITY }),
        new LocalDrone<Poisoner>({ utility: UTILITY }),
        new SshDrone<Poisoner>('liar', {
          ...options,
          agentCommand: `env 'LIE=${POISON}' ${agentCommand} ${path}`,
          utility: UTILITY,
        }),
      ];
      const before = Object.getOwnPropertyNames(Object.prototype);
      const calls = poisoners.map(drone => drone.queueCall('give'));
      others.queueCalls();
      const results = await inTime(queue.execute([...poisoners, ...others.drones]));

      for (const call of calls) {
        const value = call.valueIn(results) as { list: object[] };
        assert.equal(JSON.stringify(value), POISON);
        for (const object of [value, ...value.list]) {
          assert.equal(Object.getPrototypeOf(object), Object.prototype);
          assert(Object.hasOwn(object, '__proto__'));
        }
      }
      assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), before);
      others.assertFine(results);
    });
  },
);
