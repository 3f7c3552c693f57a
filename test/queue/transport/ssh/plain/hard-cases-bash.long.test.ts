import { hardCases } from './hard-cases.js';

hardCases('bash', { shell: 'bash' });
