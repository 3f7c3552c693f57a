import { leakCheck } from '../support/leak-check.js';
import { testThreadDeath } from './thread-death.js';

leakCheck();

testThreadDeath('thread-exit', /exit/i);
testThreadDeath('thread-out-of-memory', /memory/i);
// Told apart from a busy thread by unanswered pings, so this one takes its ten seconds.
testThreadDeath('thread-loop', /has not answered for 10000 ms/);
