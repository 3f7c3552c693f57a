import { hardCases } from './hard-cases.js';

hardCases('Node', { agent: 'node' });
