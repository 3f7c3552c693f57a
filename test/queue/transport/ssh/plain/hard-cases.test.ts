import { hardCases, QUICK_CASES } from './hard-cases.js';

hardCases('dash', {}, QUICK_CASES);
