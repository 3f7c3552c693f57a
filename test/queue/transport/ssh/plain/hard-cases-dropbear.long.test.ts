import { hardCases } from './hard-cases.js';

hardCases('dropbear', { server: 'dropbear' });
