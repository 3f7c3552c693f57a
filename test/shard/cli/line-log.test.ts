/** Log lines of `drone-shard`. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { lineLog } from '../../../src/shard/cli/line-log.js';
import { HeartbeatError } from '../../../src/shard/wire/heartbeat-error.js';

/** What `work` writes to stderr. */
function written(context: TestContext, work: () => void): string {
  let said = '';
  const write = context.mock.method(process.stderr, 'write', (words: string) => {
    said += words;
    return true;
  });
  work();
  write.mock.restore();
  return said;
}

test('an error in a JSON line has its facts, its causes and those it is made of, and no bytes', context => {
  const refused = Object.assign(new Error('no'), { code: 'ECONNREFUSED', address: '::1' });
  const cause = Object.assign(new AggregateError([refused], 'none answers'), { rawPacket: Buffer.from('token') });
  const error = new Error('unreachable', { cause });
  const line = written(context, () => lineLog('json').error('failed', { error }));
  const told = JSON.parse(line) as { error: { cause: { message: string; errors: Record<string, unknown>[] } } };
  assert.equal(told.error.cause.message, 'none answers');
  assert.equal(told.error.cause.errors[0]?.['address'], '::1');
  assert.equal(told.error.cause.errors[0]['code'], 'ECONNREFUSED');
  assert.doesNotMatch(line, /rawPacket/);
});

test('a text line has the stack of a defect below it, and of a heartbeat that failed none', context => {
  const log = lineLog('text');
  const failed = written(context, () => log.error('down', { error: new HeartbeatError('ERR_MASTER_TIMEOUT', 'late') }));
  assert.match(failed, /^\S+ error down\n$/);
  assert.match(
    written(context, () => log.error('a defect', { error: new TypeError('no') })),
    /^\S+ error a defect\nTypeError: no\n {4}at /,
  );
});
