import { hardCases } from './hard-cases.js';

hardCases('dash', {});
