/** A directory that the processes of one test run share, and that goes with it; undefined where a file runs by itself. */
export const runFolder = process.env['DRONE_TEST_RUN'];
