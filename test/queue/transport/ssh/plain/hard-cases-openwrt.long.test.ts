import { hardCases } from './hard-cases.js';

hardCases('dropbear and busybox', { server: 'dropbear', shell: 'busybox' });
