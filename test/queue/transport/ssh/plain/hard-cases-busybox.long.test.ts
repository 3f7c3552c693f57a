import { hardCases } from './hard-cases.js';

hardCases('busybox', { shell: 'busybox' });
