import { leakCheck } from '../../support/leak-check.js';
import { nodeAgent, shellAgent } from './agents.js';
import { filesSuite } from './suites/files.js';

leakCheck();

filesSuite([nodeAgent, shellAgent]);
