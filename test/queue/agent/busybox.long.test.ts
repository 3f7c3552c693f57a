import { leakCheck } from '../../support/leak-check.js';
import { busyboxAgent } from './agents.js';
import { filesSuite } from './suites/files.js';
import { refreshSuite } from './suites/refresh.js';
import { executeCommandSuite } from './suites/execute-command.js';

leakCheck();

filesSuite([busyboxAgent]);
refreshSuite([busyboxAgent]);
executeCommandSuite([busyboxAgent]);
