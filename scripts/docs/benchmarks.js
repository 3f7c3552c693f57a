// docs/benchmarks.md, and the table in the README's section on speed, from the last run of the bench (bench/results.json).
import { readFileSync } from 'node:fs';
import { GENERATED, ROOT, tableOf } from './source.js';

/** @typedef {import('../../bench/row.js').Row} Row */

const OURS = 'drone-task-queue';
const WALL = 'wall';
const COSTS = ['client CPU', 'client memory'];
const RUN_TRUE = 'warm round, run true';
const COLD = 'connect, run true, end';
const NO_OP = 'warm round, no-op';

/** @returns {Row[]} */
function results() {
  return JSON.parse(readFileSync(new URL('bench/results.json', ROOT), 'utf8'));
}

const HEAD = `# Benchmarks

How fast rounds over many hosts are, what they cost, and what other tools need for the same work on the same machine.

${GENERATED} The figures come from the last run, in \`bench/results.json\`. In a clone of the repository,
\`npm run bench\` measures everything again, including the other tools that are installed; \`npm run bench -- peers\`
measures one part.

- Everything shares one machine, including the drones and their OpenSSH server. Compare only figures within one table;
  do not expect the same figures for your fleet.
- The tools take turns, so a slow minute of the machine affects all of them.
- Each figure is the median of its runs. Wall time is that of a round over all drones; CPU and memory are those of the
  client, without the drones.
`;

const PEERS = `## Against other tools

- **${COLD}**: a new process connects to all drones, runs \`true\` on each and ends.
- **${RUN_TRUE}**: connections are open; the round starts one process on each drone.
- **${NO_OP}**: connections are open; the round makes a call that does nothing (Mitogen: \`os.getpid\`).

\`agent: 'none'\` runs commands without the agent on the drone. "ssh2 by hand" is a loop over the \`ssh2\` package
without any of the guarantees. Tools that start \`ssh\` for each command use ControlMasters in warm rounds; the client's
figures include the memory of the ControlMasters, but not their CPU time. In the last column, a ratio above 1 means that
the tool takes longer than the faster mode of drone-task-queue.
`;

const POSITION = `### Where drone-task-queue leads, and where it does not

The better mode of drone-task-queue compared with the best other tool. A ratio below 1 means that drone-task-queue needs
less.
`;

const GROWTH = `## Growth

The cost of one drone as the number of drones grows (\`npm run bench -- growth\`). FakeDrones need no connection; the
in-memory server speaks SSH without a network.
`;

const AIMS = `## Aims

Targets that the project set for itself, and the results of the last run.
`;

const PARTS = `## Other parts

\`min to max\` is the spread over the runs.
`;

/** Parts of the bench that "Other parts" lists. */
const OTHERS = ['warm', 'memory', 'queue', 'loop', 'shards', 'store', 'repos', 'tenants'];
/** Of a master: the rest is in the file. */
const SHOWN_SHARDS = / of 200 hosts /;

export function page() {
  const rows = results();
  const peers = rows.filter(({ part }) => part === 'peers');
  const growth = rows.filter(({ part }) => part === 'growth');
  const others = rows.filter(
    ({ part, workload, aim }) =>
      OTHERS.includes(part) && aim === null && (part !== 'shards' || SHOWN_SHARDS.test(workload)),
  );
  return [
    HEAD,
    PEERS,
    `${madeOf(peers)}\n`,
    POSITION,
    tableOf(['workload', 'figure', 'drone-task-queue', 'rank', 'best other tool', 'ratio'], positions(peers)),
    ...comparisons(peers, 'wall against ours'),
    GROWTH,
    `${madeOf(growth)}\n`,
    ...comparisons(growth, undefined),
    AIMS,
    `${madeOf(rows.filter(({ aim }) => aim !== null))}\n`,
    aims(rows),
    PARTS,
    `${madeOf(others)}\n`,
    tableOf(['tool', 'workload', 'figure', 'median', 'min to max'], others.map(cellsOf)),
  ].join('\n');
}

/** A table for each workload: a line per tool, the fastest first. @param {readonly Row[]} rows @param {string | undefined} ratio */
function comparisons(rows, ratio) {
  const chosen = rows.filter(({ figure }) => [WALL, ...COSTS].includes(figure));
  return unique(chosen.map(({ workload }) => workload)).flatMap(workload => [
    `### ${workload[0]?.toUpperCase() ?? ''}${workload.slice(1)}\n`,
    comparison(
      chosen.filter(row => row.workload === workload),
      ratio,
    ),
  ]);
}

/** @param {readonly Row[]} rows @param {string | undefined} ratio */
function comparison(rows, ratio) {
  const sizes = unique(rows.map(({ drones }) => drones)).sort((a, b) => a - b);
  const most = sizes.at(-1) ?? 0;
  const columns = [
    ...sizes.map(drones => ({ figure: WALL, drones })),
    ...COSTS.map(figure => ({ figure, drones: most })),
  ].filter(column => rows.some(row => isIn(row, column)));
  const heads = columns.map(column => {
    const unit = rows.find(row => isIn(row, column))?.unit ?? '';
    return `${column.figure}, ${shown(unit)}, ${String(column.drones)} drones`;
  });
  /** @param {string} tool */
  const speedOf = tool => medianOf(rows, tool, WALL, most) ?? Infinity;
  const tools = unique(rows.map(({ tool }) => tool)).sort((a, b) => speedOf(a) - speedOf(b));
  const ours = Math.min(...tools.filter(isOurs).map(speedOf));
  const body = tools.map(tool => [
    isOurs(tool) ? `**${tool}**` : tool,
    ...columns.map(({ figure, drones }) => String(medianOf(rows, tool, figure, drones) ?? '')),
    ...(ratio === undefined ? [] : [timesOf(speedOf(tool) / ours)]),
  ]);
  return tableOf(['', ...heads, ...(ratio === undefined ? [] : [ratio])], body);
}

/** @param {readonly Row[]} rows */
function positions(rows) {
  return unique(rows.map(({ workload }) => workload)).flatMap(workload =>
    [WALL, ...COSTS].map(figure => {
      const some = rows.filter(row => row.workload === workload && row.figure === figure);
      const most = Math.max(...some.map(({ drones }) => drones));
      const sorted = some.filter(({ drones }) => drones === most).sort((a, b) => a.median - b.median);
      const ours = sorted.find(({ tool }) => isOurs(tool));
      const others = sorted.filter(({ tool }) => !isOurs(tool));
      const [best] = others;
      if (ours === undefined || best === undefined) return [workload, figure, '', '', '', ''];
      const rank = 1 + others.filter(({ median }) => median < ours.median).length;
      return [
        `${workload}, ${String(most)} drones`,
        figure,
        `${ours.tool === OURS ? '' : `${ours.tool.replace(`${OURS}, `, '')}: `}${quantity(ours)}`,
        `${rank === 1 ? '**1**' : String(rank)} of ${String(others.length + 1)}`,
        `${best.tool}: ${quantity(best)}`,
        timesOf(ours.median / best.median),
      ];
    }),
  );
}

/** @param {readonly Row[]} rows */
function aims(rows) {
  const chosen = rows.filter(({ aim }) => aim !== null);
  const body = chosen.map(row => [
    row.tool,
    row.drones === 0 ? row.workload : `${row.workload}, ${String(row.drones)} drones`,
    row.figure,
    quantity(row),
    boundOf(row),
    row.met === true ? 'yes' : '**no**',
  ]);
  return tableOf(['tool', 'workload', 'figure', 'median', 'aim', 'met'], body);
}

/** @param {Row} row */
function boundOf({ aim }) {
  if (aim === null) return '';
  if ('atMost' in aim) return `≤ ${String(aim.atMost)}`;
  return 'atLeast' in aim ? `≥ ${String(aim.atLeast)}` : `< ${String(aim.below)}`;
}

/** @param {Row} row */
function cellsOf(row) {
  const workload = row.drones === 0 ? row.workload : `${row.workload}, ${String(row.drones)} drones`;
  return [row.tool, workload, row.figure, quantity(row), `${String(row.min)} to ${String(row.max)}`];
}

const README = 'README.md';
const BEGIN = '<!-- bench: npm run docs -->';
const END = '<!-- bench: end -->';
/** Tools of the README's table, by their names in warm rounds; docs/benchmarks.md has all. */
const IN_README = [
  OURS,
  `${OURS}, agent: 'none'`,
  'ssh2 by hand',
  'Mitogen',
  'Fabric ThreadingGroup',
  'ControlMaster, xargs -P 32 ssh',
  'ControlMaster, pssh -p 32',
  'ControlMaster, Ansible raw -f 50',
];

/** The README with a short table between its two markers. */
export function readme() {
  const text = readFileSync(new URL(README, ROOT), 'utf8');
  const [begin] = /<!-- bench: (?!end).*? -->/.exec(text) ?? [];
  const from = begin === undefined ? -1 : text.indexOf(begin);
  const to = text.indexOf(END);
  if (begin === undefined || to < from) throw new Error(`README.md: expected '${BEGIN}' and, after it, '${END}'`);
  const rows = results().filter(({ part }) => part === 'peers');
  const most = Math.max(...rows.map(({ drones }) => drones));
  /** @param {string} tool @param {string} workload @param {string} figure */
  const cell = (tool, workload, figure) =>
    String(
      medianOf(
        rows.filter(row => row.workload === workload),
        tool,
        figure,
        most,
      ) ?? '',
    );
  const tools = [...IN_README].sort((a, b) => Number(cell(a, RUN_TRUE, WALL)) - Number(cell(b, RUN_TRUE, WALL)));
  const body = tools.map(tool => {
    const cold = tool.replace('ControlMaster, ', '');
    const cells = [
      cell(cold, COLD, WALL),
      cell(tool, RUN_TRUE, WALL),
      cell(tool, NO_OP, WALL),
      cell(tool, RUN_TRUE, 'client CPU'),
    ];
    return [isOurs(tool) ? `**${cold}**` : cold, ...cells];
  });
  const heads = [
    `${String(most)} drones`,
    'connect, `true`, end: ms',
    'warm, `true`: ms',
    'warm no-op: ms',
    'client CPU, warm `true`: µs/drone',
  ];
  return `${text.slice(0, from)}${BEGIN}\n\n${tableOf(heads, body)}\n${madeOf(rows)}\n\n${text.slice(to)}`;
}

/** @param {readonly Row[]} rows */
function madeOf(rows) {
  const dates = unique(rows.map(({ date }) => date.slice(0, 10))).sort();
  const machines = unique(rows.map(({ machine }) => machine.replace(' x ', ' × ')));
  const counts = rows.map(({ runs }) => runs);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const runs = least === most ? String(least) : `${String(least)} to ${String(most)}`;
  return `Medians of ${runs} runs, ${dates.join(' and ')}, ${machines.join('; ')}.`;
}

/** @param {readonly Row[]} rows @param {string} tool @param {string} figure @param {number} drones */
function medianOf(rows, tool, figure, drones) {
  return rows.find(row => row.tool === tool && isIn(row, { figure, drones }))?.median;
}

/** @param {Row} row @param {{ figure: string, drones: number }} column */
function isIn(row, { figure, drones }) {
  return row.figure === figure && row.drones === drones;
}

/** @param {string} tool */
function isOurs(tool) {
  return tool.startsWith(OURS);
}

/** @param {Row} row */
function quantity({ median, unit }) {
  return unit === 'times' ? `${String(median)} ×` : `${String(median)} ${shown(unit)}`;
}

/** @param {string} unit */
function shown(unit) {
  return unit.replace(/^us\b/, 'µs').replace('/round', '').replace(/^1\//, 'per ');
}

/** @param {number} ratio */
function timesOf(ratio) {
  return `${ratio.toPrecision(3)} ×`;
}

/** @template T @param {readonly T[]} values */
function unique(values) {
  return [...new Set(values)];
}
