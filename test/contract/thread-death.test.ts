import { leakCheck } from '../support/leak-check.js';
import { testThreadDeath } from './thread-death.js';

leakCheck();

testThreadDeath('thread-throw', /thrown in the worker thread by a fake drone/);
