import { hardCases } from './hard-cases.js';

hardCases('tcsh', { login: 'tcsh' });
