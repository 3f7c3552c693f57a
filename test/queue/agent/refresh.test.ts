import { leakCheck } from '../../support/leak-check.js';
import { nodeAgent, shellAgent } from './agents.js';
import { refreshSuite } from './suites/refresh.js';

leakCheck();

refreshSuite([nodeAgent, shellAgent]);
