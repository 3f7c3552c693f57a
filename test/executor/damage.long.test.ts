/** Whatever a power cut leaves of a copy, the next job works. */
import { leakCheck } from '../support/leak-check.js';
import { DAMAGES, testDamage } from './damages.js';

leakCheck();

for (const [what, damage] of Object.entries(DAMAGES)) testDamage(what, damage);
