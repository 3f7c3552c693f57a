/** What failures tell of a drone, by kind, phase and lists. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { LocalDrone } from '../../../src/queue/drone/local-drone.js';
import { DroneError, type DroneErrorFacts } from '../../../src/queue/drone/drone-error.js';
import { signOfLife } from '../../../src/queue/round/sign-of-life.js';

const call = new LocalDrone().queueCall('run', 'true');

function failure(facts: Pick<DroneErrorFacts, 'kind'> & Partial<DroneErrorFacts>): DroneError {
  const nothing = { completed: [], mayHaveRun: [], notStarted: [] };
  return new DroneError({
    hostname: 'web1',
    phase: 'call',
    attempts: 0,
    cause: new Error('why'),
    ...nothing,
    ...facts,
  });
}

const noFile = new Error('cannot connect', { cause: Object.assign(new Error('no file'), { code: 'EMFILE' }) });
const late = new Error('the round was over', { cause: failure({ kind: 'unreachable', phase: 'connect' }) });

const cases: readonly [what: string, sign: string, error: DroneError | undefined][] = [
  ['results', 'answers', undefined],
  ['a call that threw', 'answers', failure({ kind: 'call', call })],
  ['a value that cannot be sent', 'answers', failure({ kind: 'not-cloneable', call })],
  ['a refused connection', 'silent', failure({ kind: 'unreachable', phase: 'connect', notStarted: [call] })],
  [
    'no file to be opened here',
    'none',
    failure({ kind: 'unreachable', phase: 'connect', notStarted: [call], cause: noFile }),
  ],
  ['a refused login', 'silent', failure({ kind: 'auth', phase: 'auth', notStarted: [call] })],
  ['a changed host key', 'silent', failure({ kind: 'host-key', phase: 'handshake', notStarted: [call] })],
  ['no Node', 'silent', failure({ kind: 'bootstrap', phase: 'bootstrap', notStarted: [call] })],
  ['an own module that is missing', 'none', failure({ kind: 'bootstrap', phase: 'waiting', notStarted: [call] })],
  ['a lost connection', 'silent', failure({ kind: 'lost', mayHaveRun: [call] })],
  ['a call lost for the sake of another', 'answers', failure({ kind: 'lost', call, mayHaveRun: [call] })],
  ['nonsense', 'silent', failure({ kind: 'protocol', mayHaveRun: [call] })],
  ['no agent in time', 'silent', failure({ kind: 'timeout', phase: 'handshake', notStarted: [call] })],
  ['no turn before the deadline', 'none', failure({ kind: 'timeout', phase: 'waiting', notStarted: [call] })],
  ['a call out of time that was ended', 'answers', failure({ kind: 'timeout', call, killed: true })],
  ['a call out of time that would not end', 'answers', failure({ kind: 'timeout', call, killed: false })],
  ['an agent that ends no call', 'silent', failure({ kind: 'timeout', call, mayHaveRun: [call] })],
  [
    'an agent that was killed for its silence',
    'silent',
    failure({ kind: 'timeout', call, mayHaveRun: [call], killed: true }),
  ],
  [
    'an agent that could not be killed',
    'silent',
    failure({ kind: 'timeout', call, mayHaveRun: [call], killed: false }),
  ],
  ['kills that were ended', 'answers', failure({ kind: 'timeout', notStarted: [call], killed: true })],
  ['kills that an agent does not end', 'silent', failure({ kind: 'timeout', mayHaveRun: [call], killed: true })],
  ['no file to be opened here in time', 'none', failure({ kind: 'timeout', phase: 'connect', cause: noFile })],
  ['no time for another attempt', 'silent', failure({ kind: 'timeout', phase: 'waiting', cause: late })],
  ['kills without an answer', 'silent', failure({ kind: 'timeout' })],
  ['an onOutput that takes too long', 'answers', failure({ kind: 'timeout', completed: [1] })],
  ['a cancelled round', 'none', failure({ kind: 'cancelled', phase: 'connect', notStarted: [call] })],
  ['an onOutput that threw', 'none', failure({ kind: 'callback', call })],
  ['a dead thread', 'none', failure({ kind: 'worker-lost', mayHaveRun: [call] })],
  ['a round that was stopped', 'none', failure({ kind: 'not-contacted', phase: 'waiting', notStarted: [call] })],
  ['a kick-out', 'none', failure({ kind: 'kicked-out', phase: 'waiting', notStarted: [call] })],
];

for (const [what, sign, error] of cases) {
  test(`${what}: ${sign}`, () => {
    assert.equal(signOfLife(error), sign);
  });
}
