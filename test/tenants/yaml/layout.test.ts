/** Which jobs run for which change, and whose definition of them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Layout } from 'drone-task-queue/tenants/yaml';
import { layoutOf } from './tenant-files.js';

/** Jobs as `name: command`. */
function jobsOf(layout: Layout, project: string, branch: string, pipeline = 'check'): string[] {
  return layout.jobsFor({ project, branch }, pipeline).map(({ name, commands }) => `${name}: ${commands.join(', ')}`);
}

const PIPELINES = 'pipelines: { check: {}, gate: {} }\n';

test('a job has all that it says, where it is from, and what it does not say is empty', async () => {
  const { pipelines, jobs } = await layoutOf({
    'site main': `
pipelines:
  check: { description: Before a change is merged }
  gate:
jobs:
  build:
    description: |
      Builds
      all of it
    labels: [linux, arm64]
    commands: [make, make test]
    env: { CC: clang }
    timeoutMs: 600000
    projects: [library, site]
  lint:
    commands: [make lint]
`,
  });
  const source = { project: 'site', branch: 'main', path: 'drones.yaml' };
  assert.deepEqual(pipelines, [
    { name: 'check', description: 'Before a change is merged', source: { ...source, line: 3 } },
    { name: 'gate', description: undefined, source: { ...source, line: 4 } },
  ]);
  assert.deepEqual(jobs, [
    {
      name: 'build',
      description: 'Builds\nall of it\n',
      labels: ['linux', 'arm64'],
      commands: ['make', 'make test'],
      env: { CC: 'clang' },
      timeoutMs: 600_000,
      projects: ['library', 'site'],
      source: { ...source, line: 6 },
    },
    {
      name: 'lint',
      description: undefined,
      labels: [],
      commands: ['make lint'],
      env: {},
      timeoutMs: undefined,
      projects: [],
      source: { ...source, line: 15 },
    },
  ]);
});

test('the jobs of a pipeline come in the order of the entry, and of others and other projects there are none', async () => {
  const layout = await layoutOf({
    'site main': `${PIPELINES}jobs: { a: { commands: [a] }, b: { commands: [b] } }\nprojects: { site: { check: [b, a] } }`,
  });
  assert.deepEqual(jobsOf(layout, 'site', 'main'), ['b: b', 'a: a']);
  assert.deepEqual(jobsOf(layout, 'site', 'main', 'gate'), []);
  assert.deepEqual(jobsOf(layout, 'site', 'main', 'deploy'), []);
  assert.deepEqual([jobsOf(layout, 'library', 'main'), jobsOf(layout, 'other', 'main')], [[], []]);
});

test("a branch has its own project's definitions of jobs, and other branches and projects those of the first branch", async () => {
  const entries = 'projects: { site: { check: [build] }, library: { check: [build] } }';
  const layout = await layoutOf({
    'config main': PIPELINES + entries,
    'site main': 'jobs: { build: { commands: [make] } }',
    'site stable': 'jobs: { build: { commands: [make stable] }, old: { commands: [old] } }',
  });
  assert.deepEqual(jobsOf(layout, 'site', 'main'), ['build: make']);
  assert.deepEqual(jobsOf(layout, 'site', 'stable'), ['build: make stable']);
  assert.deepEqual(jobsOf(layout, 'site', 'a-branch-that-has-no-file'), ['build: make']);
  assert.deepEqual(jobsOf(layout, 'library', 'stable'), ['build: make']);
  assert.deepEqual(
    layout.jobs.map(({ name, commands, source }) => [name, commands, source.branch]),
    [
      ['build', ['make'], 'main'],
      ['old', ['old'], 'stable'],
    ],
  );
});

test("a project's own entry holds on the branch that has it, and a given one on all branches, before its own", async () => {
  const jobs = 'jobs: { lint: { commands: [l] }, build: { commands: [b] }, test: { commands: [t] } }\n';
  const layout = await layoutOf({
    'config main': `${PIPELINES}${jobs}projects: { site: { check: [lint, test] } }`,
    'site main': 'projects: { site: { check: [build, lint], gate: [build] } }',
    'site stable': 'projects: { site: { check: [test] } }',
  });
  assert.deepEqual(jobsOf(layout, 'site', 'main'), ['lint: l', 'test: t', 'build: b'], 'each job once');
  assert.deepEqual(jobsOf(layout, 'site', 'stable'), ['lint: l', 'test: t']);
  assert.deepEqual(jobsOf(layout, 'site', 'feature'), ['lint: l', 'test: t']);
  assert.deepEqual(jobsOf(layout, 'site', 'main', 'gate'), ['build: b']);
  assert.deepEqual(jobsOf(layout, 'site', 'stable', 'gate'), []);
});

test('of what a project gives to another one, the first of its branches that gives any holds', async () => {
  const layout = await layoutOf({
    'config main': `${PIPELINES}jobs: { a: { commands: [a] }, b: { commands: [b] } }`,
    'library main': 'projects: { library: { check: [b] } }',
    'library next': 'projects: { site: { check: [a] }, library: { check: [a] } }',
  });
  assert.deepEqual(jobsOf(layout, 'site', 'main'), ['a: a']);
  const both = await layoutOf({
    'config main': `${PIPELINES}jobs: { a: { commands: [a] }, b: { commands: [b] } }`,
    'library main': 'projects: { site: { gate: [b] } }',
    'library next': 'projects: { site: { check: [a] } }',
  });
  assert.deepEqual([jobsOf(both, 'site', 'main'), jobsOf(both, 'site', 'main', 'gate')], [[], ['b: b']]);
});

test('entries of several projects, and of several files of one branch, come one after the other', async () => {
  const layout = await layoutOf({
    'config main': `${PIPELINES}jobs: { a: { commands: [a] }, b: { commands: [b] }, c: { commands: [c] } }`,
    'library main': 'projects: { site: { check: [b] } }',
    'site main drones.d/1.yaml': 'projects: { site: { check: [c] } }',
    'site main drones.d/2.yaml': 'projects: { site: { check: [a, b] } }',
  });
  assert.deepEqual(jobsOf(layout, 'site', 'main'), ['b: b', 'c: c', 'a: a']);
});

// If each entry cost as much as there are others, these would take minutes.
test('a layout is made of a hundred thousand entries of one project', async () => {
  const names = Array.from({ length: 100 }, (_, at) => `p${at}`);
  const files = Array.from({ length: 1_000 }, (_, at): [string, string] => [
    `config main drones.d/${at}`,
    `projects: { site: { ${names.join(', ')} } }`,
  ]);
  const layout = await layoutOf({
    'site main': `pipelines: { ${names.join(', ')} }\njobs: { a: { commands: [a] } }\nprojects: { site: { p99: [a] } }`,
    ...Object.fromEntries(files),
  });
  assert.deepEqual(jobsOf(layout, 'site', 'main', 'p99'), ['a: a']);
});

test('nothing of a layout can be changed', async () => {
  const layout = await layoutOf({
    'site main': `${PIPELINES}jobs: { a: { commands: [a], env: { A: x }, labels: [l], projects: [site] } }
projects: { site: { check: [a] } }`,
  });
  const [job] = layout.jobs;
  const [pipeline] = layout.pipelines;
  const jobs = layout.jobsFor({ project: 'site', branch: 'main' }, 'check');
  assert(job && pipeline);
  const parts = [layout, layout.jobs, layout.pipelines, jobs, job, job.labels, job.commands, job.env, job.projects];
  for (const part of [...parts, job.source, pipeline, pipeline.source]) assert(Object.isFrozen(part));
  assert.equal(jobs[0], job);
});
