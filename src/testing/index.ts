/**
 * For tests of code that uses drone-task-queue: a drone made of functions (FakeDrone), real SSH without a host
 * (startSshServer), and time and order in the test's own hand (FakeClock, Gate).
 */
export { FakeDrone, type FakeDroneOptions, type FakeImplementation, type FakeMethods } from './fake-drone.js';
export { runResult } from './run-result.js';
export type { FakeCall, FakeFault } from './fake-agent.js';
export type { ExecRequest } from './exec-request.js';
export { startSshServer, type SshServer, type SshServerOptions } from './ssh-server.js';
export { Gate } from './gate.js';
export { FakeClock } from './fake-clock.js';
