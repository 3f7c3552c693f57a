import { hardCases } from './hard-cases.js';

hardCases('hidepid', { hidesProcesses: true });
