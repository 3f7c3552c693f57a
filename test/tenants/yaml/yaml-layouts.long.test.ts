/** What is read as a layout, and how its faults are reported. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import fc from 'fast-check';
import {
  type BranchName,
  ConfigLoader,
  LayoutError,
  MemoryLogicalClock,
  TenantLocks,
  TenantRegistry,
} from 'drone-task-queue/tenants';
import { type Layout, type YamlLayoutsOptions, yamlLayouts } from 'drone-task-queue/tenants/yaml';
import { stringify } from 'yaml';
import { runWithPackagesOnly } from '../../support/lacking-packages.js';
import { faultsOf, filesOf, layoutOf, TENANT } from './tenant-files.js';

/** A file of which everything is well; what follows it begins in line 6. */
const GOOD = `pipelines: { check: {} }
jobs:
  build: { commands: [make] }
projects:
  site: { check: [build] }
`;

type Row = readonly [name: string, text: string, ...faults: readonly (readonly [line: number, reason: string])[]];

const INTEGER = 'an integer from 1 to 2147483647';
const JOB_KEYS = 'description, labels, commands, env, timeoutMs, projects';

const FAULTY: readonly Row[] = [
  ['a file that is a text', '\nhello', [2, 'the file is a text, expected a map']],
  ['a file that is a list', '# jobs\n- a', [2, 'the file is a list, expected a map']],
  [
    'an unknown section',
    `${GOOD}job: {}`,
    [6, "'job' is not a key of the file (did you mean 'jobs'?), expected one of pipelines, jobs, projects"],
  ],
  ['a section that is there twice', `${GOOD}jobs: {}`, [6, "'jobs' occurs twice, first in line 2"]],
  ['jobs that are a list', 'jobs:\n  - build', [2, 'jobs is a list, expected a map']],
  ['pipelines that are a text', 'pipelines: check', [1, 'pipelines is a text, expected a map']],
  ['projects that are a number', 'projects:\n\n  5', [3, 'projects is 5, expected a map']],
  [
    'a job that is there twice',
    'jobs:\n  a: { commands: [a] }\n  b: { commands: [a] }\n  a: { commands: [b] }',
    [4, "'a' occurs twice, first in line 2"],
  ],
  [
    'a name with white space',
    'jobs:\n  run tests: { commands: [a] }',
    [2, "a key of jobs is 'run tests', expected a name without white space"],
  ],
  [
    'a name of 201 characters',
    `jobs:\n  ${'a'.repeat(201)}: { commands: [a] }`,
    [2, `a key of jobs is '${'a'.repeat(60)}'... 141 more characters, expected 200 characters at most`],
  ],
  ['an empty name', 'pipelines:\n  "": {}', [2, "a key of pipelines is '', expected a name without white space"]],
  ['a key that is a list', 'jobs:\n  ? [a, b]\n  : {}', [2, 'invalid YAML: A key is not text']],
  [
    'a pipeline with an unknown key',
    'pipelines:\n  check:\n    manager: dependent',
    [3, "'manager' is not a key of pipeline 'check', expected one of description"],
  ],
  [
    'a description that is a list',
    'pipelines:\n  check: { description: [a] }',
    [2, "description of pipeline 'check' is a list, expected a text"],
  ],
  [
    'a job with an unknown key',
    'jobs:\n  build:\n    commands: [make]\n    timeout: 5',
    [4, `'timeout' is not a key of job 'build' (did you mean 'timeoutMs'?), expected one of ${JOB_KEYS}`],
  ],
  [
    'a job with a mistyped key',
    'jobs:\n  build:\n    comands: [make]',
    [2, "job 'build' has no commands, expected at least one"],
    [3, `'comands' is not a key of job 'build' (did you mean 'commands'?), expected one of ${JOB_KEYS}`],
  ],
  ['a job that is nothing', 'jobs:\n  build:', [2, "job 'build' has no commands, expected at least one"]],
  ['a job that is a text', 'jobs:\n  build: make', [2, "job 'build' is a text, expected a map"]],
  [
    'commands that are a text',
    'jobs:\n  build:\n    commands: make',
    [3, "commands of job 'build' is a text, expected a list"],
  ],
  [
    'commands that are none',
    'jobs:\n  a:\n    commands: []\n  b:\n    commands:',
    [3, "commands of job 'a' is an empty list, expected at least one"],
    [5, "commands of job 'b' is an empty list, expected at least one"],
  ],
  [
    'empty commands',
    "jobs:\n  a:\n    commands:\n      - make\n      - ''\n      -\n      - ' '\n      - { make: test }",
    [5, "one of commands of job 'a' is empty"],
    [6, "one of commands of job 'a' is nothing, expected a text"],
    [7, "one of commands of job 'a' is empty"],
    [8, "one of commands of job 'a' is a map, expected a text"],
  ],
  [
    'a zero byte in a command',
    'jobs:\n  a:\n    commands: ["a\\0b"]',
    [3, "one of commands of job 'a' has a zero byte in it"],
  ],
  [
    'labels that are no names',
    'jobs:\n  a:\n    commands: [a]\n    labels:\n      - big disk\n      - [arm]\n      - x\n      - x',
    [5, "one of labels of job 'a' is 'big disk', expected a name without white space"],
    [6, "one of labels of job 'a' is a list, expected a text"],
    [8, "'x' is in labels of job 'a' twice"],
  ],
  [
    'an environment that is none',
    'jobs:\n  a:\n    commands: [a]\n    env: [A=b]\n  b:\n    commands: [a]\n    env:\n      A=: b\n      B: [b]\n      C:',
    [4, "env of job 'a' is a list, expected a map"],
    [8, "a name in env of job 'b' is 'A=', expected one without '=' and zero bytes"],
    [9, "'B' in env of job 'b' is a list, expected a text"],
    [10, "'C' in env of job 'b' is nothing, expected a text"],
  ],
  ...(
    [
      ['0', '0'],
      ['-1', '-1'],
      ['1.5', '1.5'],
      ['.inf', 'Infinity'],
      ['.nan', 'NaN'],
      ['2147483648', '2147483648'],
      ['10m', 'a text'],
      ['"5"', 'a text'],
      ['[5]', 'a list'],
      ['true', 'true'],
      ['', 'nothing'],
    ] as const
  ).map(([written, found]): Row => {
    const text = `jobs:\n  a:\n    commands: [a]\n    timeoutMs: ${written}`;
    return [`a time limit of ${written}`, text, [4, `timeoutMs of job 'a' is ${found}, expected ${INTEGER}`]];
  }),
  [
    'names that are not defined',
    `${GOOD}  library:\n    chek: [biuld]\n    check: [buil, deploy]\n  sites: {}`,
    [7, "there is no pipeline 'chek' (did you mean 'check'?)"],
    [7, "there is no job 'biuld' (did you mean 'build'?)"],
    [8, "there is no job 'buil' (did you mean 'build'?)"],
    [8, "there is no job 'deploy'"],
    [9, "there is no project 'sites' (did you mean 'site'?)"],
  ],
  [
    'a name that is near to two',
    'jobs: { test1: { commands: [a] }, test2: { commands: [a] } }\npipelines: { check: {} }\nprojects: { site: { check: [test3] } }',
    [3, "there is no job 'test3'"],
  ],
  [
    'a job beside a project that the tenant does not have',
    'jobs:\n  a:\n    commands: [a]\n    projects: [library, kernel]',
    [4, "there is no project 'kernel'"],
  ],
  [
    'a job twice in a pipeline',
    `${GOOD}  library:\n    check:\n      - build\n      - build`,
    [9, "'build' is in 'check' of project 'library' twice"],
  ],
  [
    'a pipeline of a project that is a text',
    `${GOOD}  library: { check: build }`,
    [6, "'check' of project 'library' is a text, expected a list"],
  ],
  ['a project that is a list', `${GOOD}  library: [build]`, [6, "project 'library' is a list, expected a map"]],
  ['a tab', 'jobs:\n  a:\n\tcommands: [a]', [3, 'invalid YAML: Tabs are not allowed as indentation']],
  ['a quote that is left open', 'jobs:\n  a:\n    description: "make', [3, 'invalid YAML: Missing closing "quote']],
  ['a tag of your own', 'jobs: {}\nprojects: !mine {}', [2, 'invalid YAML: Unresolved tag']],
  [
    'a tag of YAML 1.1',
    'jobs:\n  a:\n    commands: [!!binary aGVsbG8=]',
    [3, 'invalid YAML: Unresolved tag: tag:yaml.org,2002:binary'],
  ],
  ['an unknown directive', '%JOBS\n---\njobs: {}', [1, 'this is a directive other than %YAML, expected none']],
  [
    'a directive after the first document',
    'jobs: {}\n...\n%TAG ! a\n',
    [3, 'this is a directive other than %YAML, expected none'],
  ],
  ['YAML 1.3', '%YAML 1.3\n---\njobs: {}', [1, '%YAML has another version, expected 1.2']],
  ['YAML 1.2 and more', '%YAML 1.2 1.1\n---\njobs: {}', [1, '%YAML has another version, expected 1.2']],
  ['YAML 1.1', '%YAML 1.1\n---\njobs: {}', [1, '%YAML is 1.1, in which some words mean something else, expected 1.2']],
  ['a second document', 'jobs: {}\n---\njobs: {}', [2, 'a second document begins, expected one in a file']],
  ['an alias for nothing', 'jobs: {}\nprojects: *a', [2, 'an alias stands for nothing that comes before it']],
  [
    'an alias for itself',
    'jobs:\n  a: &a\n    commands: [*a]',
    [3, 'an alias stands inside the value that it stands for'],
  ],
  [
    'merge keys',
    'jobs:\n  a: &a { commands: [a] }\n  b:\n    <<: *a\n    commands: [b]',
    [4, `'<<' is not a key of job 'b', expected one of ${JOB_KEYS}`],
  ],
];

for (const [name, text, ...faults] of FAULTY) {
  test(`each fault is reported with its line: ${name}`, async () => {
    const found = await faultsOf({ 'site main': text });
    assert.deepEqual(
      found.map(({ line, reason }) => [line, reason]),
      faults,
    );
    for (const { project, branch, path } of found) {
      assert.deepEqual([project, branch, path], ['site', 'main', 'drones.yaml']);
    }
  });
}

test('faults of all files come at once, with project, branch and path', async () => {
  const faults = await faultsOf({
    'config main': 'pipelines: [check]',
    'library next ci/jobs.yaml': 'jobs:\n  build: {}\n  unit: { commands: [a], timeoutMs: 0 }',
    'site main': 'projects:\n  site: { check: [build] }\n  library: { gate: [lint] }',
    'site stable': 'jobs: {',
  });
  assert.deepEqual(
    faults.map(({ project, branch, path, line }) => `${project} ${branch} ${path} ${line}`),
    [
      'config main drones.yaml 1',
      'library next ci/jobs.yaml 2',
      'library next ci/jobs.yaml 3',
      'site main drones.yaml 3',
      'site main drones.yaml 3',
      'site stable drones.yaml 1',
    ],
  );
});

test('a name belongs to one project, which may define it once on each of its branches', async () => {
  const job = 'jobs:\n  build: { commands: [make] }\n';
  const faults = await faultsOf({
    'config main': 'pipelines:\n  check:\n',
    'library main': job,
    'library next drones.d/1.yaml': job,
    'library next drones.d/2.yaml': job,
    'site main': `pipelines:\n  check:\n${job}`,
    'site stable': job,
  });
  assert.deepEqual(
    faults.map(({ project, branch, path, line, reason }) => [project, branch, path, line, reason]),
    [
      ['library', 'next', 'drones.d/2.yaml', 2, "job 'build' is already defined in drones.d/1.yaml:2 (library, next)"],
      ['site', 'main', 'drones.yaml', 2, "pipeline 'check' is already defined in drones.yaml:2 (config, main)"],
      ['site', 'main', 'drones.yaml', 4, "job 'build' is already defined in drones.yaml:2 (library, main)"],
      ['site', 'stable', 'drones.yaml', 2, "job 'build' is already defined in drones.yaml:2 (library, main)"],
    ],
  );
});

test('a name that may be defined in a file that could not be read is not called unknown', async () => {
  const entry = 'projects: { site: { check: [build, lint] } }';
  const faults = await faultsOf({
    'library main': 'jobs:\n  build: { commands: [make }',
    'site main': `pipelines: { check: }\n${entry}`,
  });
  assert.deepEqual(faults.map(({ project, reason }) => `${project}: ${reason}`).slice(-1), [
    "site: there is no job 'lint'",
  ]);
  assert(faults.slice(0, -1).every(({ project, line }) => project === 'library' && line === 2));
});

test('a text is what is written, whatever YAML takes it for, and what is nothing is an empty map or list', async () => {
  const layout = await layoutOf({
    'site main': `
pipelines:
  check:
jobs:
  true:
    commands: [true, 1.10, 0x1F, '1.20', ~x, !!str 7, yes]
    env: { VERSION: 1.10, EMPTY: '', DEBUG: false }
    labels:
  1.0: { commands: [no] }
projects:
  site:
  library: { check: [true, 1.0] }
`,
  });
  const [first] = layout.jobs;
  assert.deepEqual(first?.commands, ['true', '1.10', '0x1F', '1.20', '~x', '7', 'yes']);
  assert.deepEqual(first.env, { VERSION: '1.10', EMPTY: '', DEBUG: 'false' });
  const jobs = layout.jobsFor({ project: 'library', branch: 'main' }, 'check');
  assert.deepEqual(
    jobs.map(({ name }) => name),
    ['true', '1.0'],
  );
});

test('anchors and aliases stand for values, the last anchor of a name that comes before counting', async () => {
  const { jobs } = await layoutOf({
    'site main': `
jobs:
  a: &base
    commands: &commands [&make make, test]
  b: { commands: *commands }
  c: *base
  d: { commands: [*make], env: &commands { A: *make } }
  e: { commands: [x], env: *commands }
`,
  });
  assert.deepEqual(
    jobs.map(({ name, commands, env }) => [name, commands.join(' '), env['A'] ?? '']),
    [
      ['a', 'make test', ''],
      ['b', 'make test', ''],
      ['c', 'make test', ''],
      ['d', 'make', 'make'],
      ['e', 'x', 'make'],
    ],
  );
});

for (const text of ['', '\n\n', '# nothing yet\n', '---\n', '--- ~\n...\n', '\u{feff}', '{}', 'jobs:\n']) {
  test(`a file without anything in it is well: ${JSON.stringify(text)}`, async () => {
    const layout = await layoutOf({ 'site main': text });
    assert.deepEqual([layout.jobs, layout.pipelines], [[], []]);
  });
}

for (const piece of ['[', '- ', '{a: ', '? ', '- - ? [', '&a [', '!!seq [']) {
  test(`a hundred thousand times ${piece} is a fault and no stack overflow`, async () => {
    const makeLayout = await yamlLayouts({ maxFileBytes: 1_000_000 });
    await assert.rejects(
      async () => makeLayout(filesOf({ 'site main': `jobs:\n  ${piece.repeat(100_000)}` }), TENANT),
      (error: unknown) => {
        assert(error instanceof LayoutError);
        assert.deepEqual(
          error.faults.map(({ line, reason }) => [line, reason]),
          [[2, 'lists and maps are nested deeper than 20']],
        );
        return true;
      },
    );
  });
}

test('values that follow values without end are a fault of their file, and other files are read', async () => {
  const faults = await faultsOf({
    'library main': `jobs:\n  {${'a: b: '.repeat(3_000)}}`,
    'site main': 'jobs: 5',
  });
  assert.deepEqual(
    faults.map(({ project, line, reason }) => [project, line, reason]),
    [
      ['library', 2, 'lists, maps and values are nested too deeply here'],
      ['site', 1, 'jobs is 5, expected a map'],
    ],
  );
});

// Half a minute, if the package were to make tags of 50 KB of them.
test('a directive that makes short tags long ones is refused before any is made', async () => {
  const items = Array.from({ length: 3_000 }, (_, at) => `!${at.toString(36)} a`);
  const faults = await faultsOf({ 'site main': `%TAG ! ${'x'.repeat(50_000)}\n---\n[${items.join(',')}]` });
  assert.deepEqual(
    faults.map(({ line, reason }) => [line, reason]),
    [[1, 'this is a directive other than %YAML, expected none']],
  );
});

test('a few aliases do not stand for billions of values', async () => {
  const lists = Array.from({ length: 12 }, (_, at) => {
    const items = Array.from({ length: 10 }, () => (at === 0 ? 'x' : `*a${at - 1}`));
    return `  ${at}: &a${at} [${items.join(', ')}]`;
  });
  const [fault, ...others] = await faultsOf({ 'site main': `jobs:\n${lists.join('\n')}` });
  assert.deepEqual(
    [fault?.line, fault?.reason],
    [5, 'an alias is one too many: aliases may stand for at most 10000 values'],
  );
  assert.deepEqual(others, []);
});

test('of a file that is wrong all over a hundred faults are reported, and how many more', async () => {
  const keys = Array.from({ length: 1_000 }, (_, at) => `key${at}: {}`);
  const faults = await faultsOf({ 'site main': keys.join('\n') });
  assert.equal(faults.length, 101);
  assert.deepEqual([faults.at(-2)?.line, faults.at(-1)?.reason], [100, '900 more faults']);
});

test('an error for each character of a big file is no more than a hundred faults', async () => {
  const faults = await faultsOf({ 'site main': `jobs: {}\n${']'.repeat(200_000)}` });
  assert.deepEqual([faults.length, faults.at(-1)?.reason], [101, '199900 more faults']);
});

test('errors of others keep their stacks when a layout was read', async () => {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 7;
  try {
    await layoutOf({ 'site main': GOOD });
    assert.equal(Error.stackTraceLimit, 7);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
});

test('a name that is part of a word in a file that could not be read is called unknown', async () => {
  const faults = await faultsOf({
    'library main': `jobs: 5 # rebuild [it's, "x:y"]`,
    'site main': `pipelines: { check: }\nprojects: { site: { check: [build, "it's", 'x:y', rebuild] } }`,
  });
  assert.deepEqual(
    faults.map(({ reason }) => reason),
    ['jobs is 5, expected a map', "there is no job 'build'"],
  );
});

test('any name may be in a file above the limit, or in one of very many words, but none that is too long', async () => {
  const makeLayout = await yamlLayouts({ maxFileBytes: 2_000_000 });
  const words = Array.from({ length: 200_001 }, (_, at) => at.toString(36));
  for (const unread of ['#'.repeat(2_000_001), `jobs: 5\n# ${words.join(' ')}`]) {
    const files = filesOf({
      'library main': unread,
      'site main': `pipelines: { check: }\nprojects: { site: { check: [build, ${'a'.repeat(201)}] } }`,
    });
    await assert.rejects(
      async () => makeLayout(files, TENANT),
      (error: unknown) => {
        assert(error instanceof LayoutError);
        assert.deepEqual([error.faults.length, error.faults[1]?.reason.slice(0, 17)], [2, "there is no job '"]);
        return true;
      },
    );
  }
});

test('nothing is suggested for a name that is too long, or among very many', async () => {
  const near = 'n'.repeat(201);
  const tenant = { ...TENANT, projects: [...TENANT.projects, { project: near, branches: ['main'], extraPaths: [] }] };
  const makeLayout = await yamlLayouts();
  const names = Array.from({ length: 10_000 }, (_, at) => `p${at}`);
  const text = `pipelines: { check, ${names.join(', ')} }\nprojects: { ? ${near}n : , site: { chekc: } }`;
  await assert.rejects(
    async () => makeLayout(filesOf({ 'site main': text }), tenant),
    (error: unknown) => {
      assert(error instanceof LayoutError);
      const reasons = error.faults.map(({ reason }) => reason);
      assert.deepEqual(reasons, [
        `there is no project '${'n'.repeat(60)}'... 142 more characters`,
        "there is no pipeline 'chekc'",
      ]);
      return true;
    },
  );
});

test('a file above the limit is not read, and one of just that size is', async () => {
  const text = 'jobs: {} # ü';
  const bytes = Buffer.byteLength(text);
  const read = async (maxFileBytes: number): Promise<Layout> => {
    const makeLayout = await yamlLayouts({ maxFileBytes });
    return makeLayout(filesOf({ 'site main': text }), TENANT);
  };
  assert.deepEqual((await read(bytes)).jobs, []);
  await assert.rejects(
    read(bytes - 1),
    new RegExp(
      `^LayoutError: drones.yaml:1 \\(site, main\\): the file has ${bytes} bytes, expected ${bytes - 1} at most$`,
    ),
  );
});

test('what may be a secret is not shown', async () => {
  const texts = [
    'jobs: { a: { commands: hunter2, env: hunter2, timeoutMs: hunter2, labels: hunter2 } }',
    'jobs: { a: { commands: [{ a: hunter2 }], env: { A: [hunter2], B: "hunter2\\0" } } }',
    'jobs:\n  a: { env: { A: "hunter2',
    'jobs:\n  a: { env: { A: }hunter2 } }',
    'jobs:\n  a:\n    env:\n      A: "x" hunter2\n      B: @hunter2\n      C: "\\hunter2"\n      D: hunter2\n    hunter2',
    '}hunter2: 5',
    'hunter2',
    'jobs: |hunter2\n  a',
    'jobs: { a: { env: { A: !hunter2 } } }',
    'jobs: { a: { env: { A: !hunter2! } } }',
    'jobs: { a: { env: { A: !!hunter2 x } } }',
    'jobs: { a: { env: { A: !<hunter2> x } } }',
    'jobs: { a: { env: { A: *hunter2 } } }',
    'jobs: { a: { env: &hunter2 { A: *hunter2 } } }',
    '%hunter2\n---\n',
    '%YAML hunter2\n---\n',
  ];
  for (const text of texts) {
    const faults = await faultsOf({ 'site main': text });
    assert(faults.length > 0, text);
    assert(!JSON.stringify(faults).includes('hunter2'), `${text}\n${JSON.stringify(faults)}`);
  }
});

test('null and its like are texts where a text is expected, and nothing where a map or a list is', async () => {
  const layout = await layoutOf({
    'site main': `
pipelines: { check: ~, gate: null }
jobs:
  null: { commands: [null], env: { A: ~ }, labels: null }
  ~: { commands: [a], labels: [NULL] }
projects: { site: { check: [null, ~], gate: ~ } }
`,
  });
  const jobs = layout.jobsFor({ project: 'site', branch: 'main' }, 'check');
  assert.deepEqual(
    jobs.map(({ name, commands, env, labels }) => [name, commands, { ...env }, labels]),
    [
      ['null', ['null'], { A: '~' }, []],
      ['~', ['a'], {}, ['NULL']],
    ],
  );
});

test('names that mean something to JavaScript are names', async () => {
  const layout = await layoutOf({
    'site main': `
pipelines: { __proto__: {}, constructor: {} }
jobs:
  __proto__: { commands: [a], env: { __proto__: b } }
  toString: { commands: [b], labels: [__proto__] }
projects: { site: { __proto__: [__proto__, toString] } }
`,
  });
  const jobs = layout.jobsFor({ project: 'site', branch: 'main' }, '__proto__');
  assert.deepEqual(
    jobs.map(({ name, env }) => [name, Object.entries(env)]),
    [
      ['__proto__', [['__proto__', 'b']]],
      ['toString', []],
    ],
  );
  assert.equal(({} as Record<string, unknown>)['commands'], undefined);
});

const aName = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'true',
    'null',
    '~',
    '1.0',
    '0x10',
    '<<',
    '-',
    '?',
    '#a',
    '&a',
    '*a',
    'a:',
  ),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter(name => /^[^\p{C}\p{Z}]+$/u.test(name)),
);
const aText = fc.string({ unit: 'binary', maxLength: 100 }).filter(text => !text.includes('\0'));
const aCommand = aText.filter(text => text.trim() !== '');
const aVariable = aText.filter(name => name !== '' && !name.includes('='));
const someProjects = fc.subarray(['config', 'library', 'site']);
const aJob = fc.record(
  {
    description: aText,
    labels: fc.uniqueArray(aName, { maxLength: 3 }),
    commands: fc.array(aCommand, { minLength: 1, maxLength: 3 }),
    env: fc.uniqueArray(fc.tuple(aVariable, aText), { selector: ([name]) => name, maxLength: 3 }),
    timeoutMs: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    projects: someProjects,
  },
  { requiredKeys: ['commands'] },
);

test('any layout that is written in YAML is read back as it was', async () => {
  const some = fc.uniqueArray(aName, { minLength: 1, maxLength: 4 });
  const aLayout = fc.tuple(some, some).chain(([jobs, pipelines]) =>
    fc.record({
      pipelines: fc.tuple(...pipelines.map(name => fc.tuple(fc.constant(name), fc.option(aText, { nil: undefined })))),
      jobs: fc.tuple(...jobs.map(name => fc.tuple(fc.constant(name), aJob))),
      entry: fc.tuple(...pipelines.map(name => fc.tuple(fc.constant(name), fc.shuffledSubarray(jobs)))),
    }),
  );
  await fc.assert(
    fc.asyncProperty(aLayout, async ({ pipelines, jobs, entry }) => {
      const text = stringify({
        pipelines: Object.fromEntries(pipelines.map(([name, description]) => [name, { description }])),
        jobs: Object.fromEntries(
          jobs.map(([name, { env, ...job }]) => [
            name,
            { ...job, ...(env === undefined ? {} : { env: Object.fromEntries(env) }) },
          ]),
        ),
        projects: { site: Object.fromEntries(entry) },
      });
      const layout = await layoutOf({ 'site main': text });
      const source = { project: 'site', branch: 'main', path: 'drones.yaml' };
      const byName = new Map(layout.jobs.map(job => [job.name, job]));
      assert.deepEqual(new Set(layout.pipelines.map(({ name }) => name)), new Set(pipelines.map(([name]) => name)));
      for (const [name, description] of pipelines) {
        assert.equal(layout.pipelines.find(one => one.name === name)?.description, description);
      }
      assert.equal(layout.jobs.length, jobs.length);
      for (const [name, { env = [], ...job }] of jobs) {
        const { source: place, ...read } = byName.get(name) ?? assert.fail(`${name} is missing`);
        const empty = { description: undefined, labels: [], timeoutMs: undefined, projects: [] };
        assert.deepEqual(read, { name, ...empty, ...job, env: Object.fromEntries(env) });
        assert.deepEqual({ ...place, line: 1 }, { ...source, line: 1 });
      }
      for (const [pipeline, names] of entry) {
        const found = layout.jobsFor({ project: 'site', branch: 'main' }, pipeline);
        assert.deepEqual(
          found.map(({ name }) => name),
          names,
        );
      }
    }),
    { numRuns: 150 },
  );
});

test('whatever stands in a file, it is read or refused with faults that have their lines', async () => {
  const check = async (text: string): Promise<void> => {
    const lines = text.split('\n').length;
    for (const { line = NaN, reason, path } of await faultsOf({ 'site main': text })) {
      assert(Number.isInteger(line) && line >= 1 && line <= lines, `${line} of ${lines}: ${reason}`);
      assert(reason !== '' && path === 'drones.yaml');
    }
  };
  const base = `%YAML 1.2
---
pipelines: { check: { description: "Before \\u0041" } }
jobs:
  build: &build
    commands: [make, 'make test']
    env: { CC: clang }
    description: |+2
      long

    timeoutMs: 600000
  lint: *build
projects:
  ? site
  : check: [ build, lint ] # both
...
`;
  const piece = fc.constantFrom(
    ...Array.from('[]{}:,-?&*!|>\'"%@`#~<= \t\r\n0a\\\0\u{feff}\u{85}\u{2028}\ud800'),
    '---\n',
    '...\n',
    '%YAML 1.1\n',
    '!!map ',
    '*build',
  );
  const aMutation = fc.record({
    at: fc.nat(base.length),
    remove: fc.nat(4),
    insert: fc.array(piece, { maxLength: 3 }),
  });
  const mutated = fc
    .array(aMutation, { minLength: 1, maxLength: 5 })
    .map(mutations =>
      mutations.reduce(
        (text, { at, remove, insert }) => text.slice(0, at) + insert.join('') + text.slice(at + remove),
        base,
      ),
    );
  const bytes = fc.uint8Array({ maxLength: 200 }).map(all => Buffer.from(all).toString());
  const pieces = fc.array(piece, { maxLength: 60 }).map(all => all.join(''));
  await fc.assert(fc.asyncProperty(fc.oneof(mutated, mutated, bytes, pieces), check), { numRuns: 1_000 });
});

test('others have their turn between two files', async () => {
  const makeLayout = await yamlLayouts();
  const texts = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`site main drones.d/${at}`, 'jobs:']));
  let turns = 0;
  const count = (): void => {
    turns += 1;
    turning = setImmediate(count);
  };
  let turning = setImmediate(count);
  await makeLayout(filesOf(texts), TENANT);
  clearImmediate(turning);
  assert(turns >= 19, `${turns} turns`);
});

test('a broken file leaves the last good layout in use, and what is wrong is in the report', async () => {
  let text = GOOD;
  const registry = new TenantRegistry<Layout>();
  const loader = new ConfigLoader<Layout>({
    registry,
    locks: new TenantLocks(),
    clock: new MemoryLogicalClock(),
    system: {
      ltime: async () => 1,
      read: async () => ({ ltime: 1, tenants: [{ name: 'web', projects: [{ project: 'site' }] }] }),
    },
    files: { files: async (_: BranchName) => new Map([['drones.yaml', text]]) },
    makeLayout: await yamlLayouts(),
  });
  assert.deepEqual((await loader.reconfigureAll()).problems, []);
  text = `${GOOD}  sites: { check: [] }\n`;
  const { problems, outcomes } = await loader.reconfigureTenant('web', [{ project: 'site' }]);
  assert.deepEqual(
    problems.map(({ tenant, project, branch, path, line, reason }) => [tenant, project, branch, path, line, reason]),
    [['web', 'site', 'main', 'drones.yaml', 6, "there is no project 'sites' (did you mean 'site'?)"]],
  );
  assert.equal(outcomes.get('web'), 'failed');
  const jobs = registry.tenant('web')?.layout?.layout.jobsFor({ project: 'site', branch: 'main' }, 'check');
  assert.deepEqual(jobs?.[0]?.commands, ['make']);
});

test('the layout that the guide shows is one', async () => {
  const guide = await readFile(new URL('../../../docs/layouts-yaml.md', import.meta.url), 'utf8');
  const text = /^```yaml\n(.*?)^```$/ms.exec(guide)?.[1];
  assert(text !== undefined);
  const layout = await layoutOf({ 'site main': text });
  const names = ['check', 'gate'].map(pipeline =>
    layout.jobsFor({ project: 'site', branch: 'main' }, pipeline).map(({ name }) => name),
  );
  assert.deepEqual(names, [['lint', 'build'], ['build']]);
});

test('options that layouts cannot be read by are refused', async () => {
  const bad: readonly (readonly [options: unknown, message: RegExp])[] = [
    [{ maxFileBytes: 0 }, /^maxFileBytes is 0, expected a whole number of bytes, 1 or more$/],
    [{ maxFileBytes: Infinity }, /^maxFileBytes is Infinity/],
    [
      { maxFileByte: 1 },
      /^unknown option 'maxFileByte' \(did you mean 'maxFileBytes'\?\), expected one of maxFileBytes$/,
    ],
    [null, /^typeof options is 'null'/],
  ];
  for (const [options, message] of bad) {
    await assert.rejects(yamlLayouts(options as YamlLayoutsOptions), { code: 'ERR_INVALID_ARG', message });
  }
  await yamlLayouts({ maxFileBytes: undefined });
});

test('without the package yaml the error has the command, and other ways to make layouts do without', async () => {
  const { stdout } = await runWithPackagesOnly(
    ['tslib'],
    `import { yamlLayouts, YamlLayoutsError } from 'drone-task-queue/tenants/yaml';
     import { ConfigLoader } from 'drone-task-queue/tenants';
     await yamlLayouts().catch(error =>
       console.log(error instanceof YamlLayoutsError, error.code, error.message, typeof ConfigLoader));`,
  );
  const message = 'a layout in YAML needs the package yaml: npm install yaml';
  assert.equal(stdout, `true ERR_PACKAGE_MISSING ${message} function\n`);
});
