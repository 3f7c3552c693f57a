import { hardCases, QUICK_CASES } from './hard-cases.js';

for (const sessions of [1, 2]) {
  hardCases(`MaxSessions ${String(sessions)}`, { sessions }, QUICK_CASES);
}
