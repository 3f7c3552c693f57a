import { hardCases } from './hard-cases.js';

hardCases('fish', { login: 'fish' });
