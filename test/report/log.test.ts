import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { inspect } from 'node:util';
import { type Log, safeLog } from '../../src/report/log.js';
import { leakCheck } from '../support/leak-check.js';

leakCheck();

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

test('each line reaches the method of its level, with its fields and its logger as this', () => {
  class Recorder implements Log {
    readonly lines: unknown[][] = [];
    debug(...line: unknown[]): void {
      this.lines.push(['debug', ...line]);
    }
    info(...line: unknown[]): void {
      this.lines.push(['info', ...line]);
    }
    warn(...line: unknown[]): void {
      this.lines.push(['warn', ...line]);
    }
    error(...line: unknown[]): void {
      this.lines.push(['error', ...line]);
    }
  }
  const recorder = new Recorder();
  const log = safeLog(recorder);
  log.debug('a');
  log.info('b', { n: 1 });
  log.warn('c');
  log.error('d', { error: 'e' });
  assert.deepEqual(recorder.lines, [
    ['debug', 'a'],
    ['info', 'b', { n: 1 }],
    ['warn', 'c'],
    ['error', 'd', { error: 'e' }],
  ]);
});

test('without a log nothing is logged', () => {
  const log = safeLog(undefined);
  for (const level of LEVELS) log[level]('into the void', { level });
});

test('a log that throws or rejects gives one process warning and changes nothing', async () => {
  const broken = (): never => {
    throw new Error('disk full');
  };
  const rejecting = (): unknown => Promise.reject(new Error('later'));
  const log = safeLog({ debug: broken, info: broken, warn: broken, error: rejecting });
  const warnings: Error[] = [];
  const onWarning = (warning: Error): number => warnings.push(warning);
  process.on('warning', onWarning);
  const warned = once(process, 'warning');
  for (const level of LEVELS) log[level]('lost');
  await warned;
  await new Promise(setImmediate);
  process.off('warning', onWarning);
  assert.equal(warnings.length, 1);
  const [warning] = warnings as (Error & { code?: string; detail?: string })[];
  assert.equal(warning?.code, 'DRONE_TASK_QUEUE_LOG');
  assert.match(warning.detail ?? '', /disk full/);
});

test('console is a log', () => {
  const log: Log = console;
  safeLog(log);
});

for (const { field, log } of [
  { field: 'log', log: null },
  { field: 'log', log: 'console' },
  { field: 'log.debug', log: {} },
  { field: 'log.error', log: { debug() {}, info() {}, warn() {}, error: 'no' } },
]) {
  test(`the log ${inspect(log)} is refused for its ${field}`, () => {
    assert.throws(() => safeLog(log as unknown as Log), {
      code: 'ERR_INVALID_ARG',
      message: new RegExp(`^${field} is `),
    });
  });
}
