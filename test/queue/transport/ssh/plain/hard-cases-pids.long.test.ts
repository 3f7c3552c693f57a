import { hardCases } from './hard-cases.js';

hardCases('numbers that wrap', { ownPids: true });
