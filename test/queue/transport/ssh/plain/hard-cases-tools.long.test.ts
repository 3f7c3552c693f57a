import { hardCases, QUICK_CASES } from './hard-cases.js';

for (const lacks of ['setsid', 'od', 'base64', 'stat', 'ls', 'cat']) {
  hardCases(`no ${lacks}`, { lacks }, QUICK_CASES);
}
