// docs/observability.md: metrics from the lists in the doc comments of src/ (`- \`name\` (type): …`), and the events of each
// entry point from its `events`, their types and doc comments.
import ts from 'typescript';
import { docOf, entriesOf, entryPoints, GENERATED, nodesIn, nodesThat, sources, tableOf } from './source.js';

const HEAD = `# Metrics, log lines, events

A queue, tick loop, drone manager, store, executor, shard client and shard master report what they do in three ways:

| way | option | for |
| --- | --- | --- |
| metrics | \`stats\` | dashboards and alerts |
| log lines | \`log\` | people |
| events | none: subscribe | programs |

None of them can break a round. Errors of a metrics client or a logger are caught; an error in a subscriber becomes an
\`uncaughtException\` of the process, as on every diagnostics channel, and the round continues.

${GENERATED}
`;

const METRICS = `## Metrics

\`stats\` takes a StatsD server or your own client.

\`\`\`ts
import { ThreadedTaskQueue } from 'drone-task-queue';

const queue = new ThreadedTaskQueue({
  name: 'refresh',
  stats: { host: '127.0.0.1', port: 8125, prefix: 'farm' }, // farm.drone_task_queue.refresh.round
});
await queue.close(); // sends what is still buffered
\`\`\`

- **A server** receives metrics over UDP within a second, many per datagram. Its name is looked up once a minute, for an
  IPv4 address.
- **A client** is an object with the methods \`timing(name, ms)\`, \`increment(name, by?)\` and \`gauge(name, value)\`:
  a hot-shots client, or an adapter with these three methods for another metrics library. You close it.
- If the server is down or the client throws, the metrics are lost and work continues. The first, tenth, hundredth (and
  so on) failure is logged as \`metrics sink failing\`.

Each name begins with \`drone_task_queue.\`, followed by the name of the part: the option \`name\`, or \`host\` of an
executor. In these names everything except letters, digits, \`_\` and \`-\` becomes \`_\`, so a hostname is one segment
of a metric's name. A variable part of a metric's name, such as a hostname, has at most 1,000 values; the rest are
counted as \`other\`.
`;

const LOG = `## Log lines

\`log\` takes an object with the methods \`debug\`, \`info\`, \`warn\` and \`error\`, such as \`console\`. Each is
called with a message and an object whose fields hold the facts that the message mentions. A logger that takes the
fields first (pino) needs a wrapper. Without \`log\`, nothing is written.

Every line begins with the name of the part that logs it: \`refresh: worker refresh.web1 raised …\`. A worker is named
\`<queue>.<hostname>\`, with the dots of the hostname replaced by \`_\`.

| level | lines |
| --- | --- |
| \`debug\` | start and end of each worker, section retries, each heartbeat, repeated refusals and failures |
| \`info\` | drones initialized, fresh again or readmitted, signals that stop a loop, recovered heartbeats |
| \`warn\` | work continued despite a problem: retries, slow drones and sections, warnings from drones, dropped kills, failed jobs, commands that did not start |
| \`error\` | something failed: workers, ticks, kick-outs, lost worker threads, heartbeats, tenants that keep their old layout |

- A lasting condition is logged once: a drone's kick-out, not its skipped rounds; a failing master, not each heartbeat;
  a refusal of a shard or address once an hour.
- Warnings from drones are never errors. From a drone that floods, up to 1,000 warnings or 1 MiB in 15 s are logged,
  then the number of the omitted ones.
- Text from drones and shards is put on one line and truncated, so it cannot forge a line.
- A logger that throws, or whose promise rejects, causes one process warning (code \`DRONE_TASK_QUEUE_LOG\`); its later
  errors are dropped.
`;

const EVENTS = `## Events

Each fact is also published as a message on a channel of \`node:diagnostics_channel\`. Each entry point's \`events\`
names its channels; \`subscribe\` of the same entry point knows the type of each message, which is exported under the
event's name.

\`\`\`ts
import { events, subscribe } from 'drone-task-queue';

const unsubscribe = subscribe(events.linkOpen, ({ hostname, tookMs }) => {
  console.log(\`\${hostname ?? ''} connected in \${String(tookMs)} ms\`);
});
unsubscribe();
\`\`\`

Messages are created only if there are subscribers, and are read-only. Listeners run on the scheduler's own thread, so
keep them short. Channel names begin with \`drone-task-queue:\`, as in \`drone-task-queue:round.end\`. While a round
runs, \`queue.inFlight()\` lists the drones that it waits for, each with name, phase, call, time in that phase, and
thread.
`;

/** @typedef {{ name: string, type: string, text: string, under: string, file: string }} MetricRow */

/** Every metric, in the order of the source. @returns {MetricRow[]} */
export function metricRows() {
  /** @param {import('typescript').Node} node @returns {node is import('typescript').Node} */
  const isDocumented = node => /drone_task_queue\.<\w+>/.test(docOf(node));
  return nodesThat(isDocumented).flatMap(node => {
    const [, under = ''] = /`drone_task_queue\.<(\w+)>`/.exec(docOf(node)) ?? [];
    return entriesOf(node).flatMap(({ name, note, text, file }) =>
      note !== undefined && note in METHODS ? [{ name, type: note, text, under, file }] : [],
    );
  });
}

/** Types of metrics, by the methods that send them. */
const METHODS = { timing: ['timing'], counter: ['increment', 'add'], gauge: ['gauge'] };

/** A metric's name without its variable part. @param {{ name: string }} row */
export function fixedName({ name }) {
  return name.replace(/\.<\w+>$/, '');
}

/** Metrics that the source sends and that have no row of their type; a name must be a literal, or it is missing, too. */
export function missingMetrics() {
  const rows = metricRows().map(row => `${row.type} ${fixedName(row)}`);
  const sent = nodesThat(ts.isCallExpression).flatMap(({ expression, arguments: [name] }) => {
    if (!ts.isPropertyAccessExpression(expression) || name === undefined) return [];
    if (!/\bmetrics$/.test(expression.expression.getText())) return [];
    const [type] = Object.entries(METHODS).find(([, methods]) => methods.includes(expression.name.text)) ?? [];
    return type === undefined ? [] : choicesOf(name).map(choice => `${type} ${choice}`);
  });
  return sent.filter(metric => !rows.includes(metric));
}

/** @param {import('typescript').Expression} name @returns {string[]} */
function choicesOf(name) {
  if (ts.isConditionalExpression(name)) return [name.whenTrue, name.whenFalse].flatMap(choicesOf);
  return [ts.isStringLiteral(name) ? name.text : name.getText()];
}

/** @typedef {{ entry: string, event: string, channel: string, message: string, fields: string, text: string }} EventRow */

/** Every event. @returns {EventRow[]} */
export function eventRows() {
  return entryPoints().flatMap(([entry, path]) => {
    const file = path === 'index.ts' ? 'queue/events.ts' : path.replace(/index\.ts$/, 'events.ts');
    const source = sources().find(({ fileName }) => fileName === file);
    return source === undefined ? [] : eventsIn(entry, source);
  });
}

/** @param {string} entry @param {import('typescript').SourceFile} source */
function eventsIn(entry, source) {
  const interfaces = nodesIn(source, ts.isInterfaceDeclaration);
  const messages = interfaces
    .flatMap(({ members }) => [...members])
    .filter(({ name }) => name && ts.isStringLiteral(name));
  const names = nodesIn(source, ts.isVariableDeclaration).find(({ name }) => name.getText() === 'events');
  return nodesIn(names ?? source, ts.isPropertyAssignment).map(({ name, initializer }) => {
    const channel = ts.isStringLiteral(initializer) ? initializer.text : '';
    const message = messages.find(member => member.name?.getText() === initializer.getText());
    const type = message && ts.isPropertySignature(message) ? (message.type?.getText() ?? '') : '';
    const declaration = interfaces.find(each => each.name.text === type);
    const members = [...(declaration?.members ?? [])];
    const fields = members.map(member => `\`${member.name?.getText() ?? ''}${member.questionToken ? '?' : ''}\``);
    return {
      entry,
      event: name.getText(),
      channel,
      message: type,
      fields: fields.join(', '),
      text: declaration ? docOf(declaration) : '',
    };
  });
}

/** In the order in which a reader meets the parts. */
const PARTS = ['queue', 'loop', 'manager', 'store', 'host', 'client', 'master'];

/** @returns {string[][]} */
function metricCells() {
  const sorted = [...metricRows()].sort((a, b) => PARTS.indexOf(a.under) - PARTS.indexOf(b.under));
  return sorted.map(({ name, type, text, under }) => [`\`<${under}>.${name}\``, type, text.replace(/\.$/, '')]);
}

export function page() {
  const events = eventRows().map(({ entry, event, channel, fields, text }) => [
    `\`${entry.replace('drone-task-queue/', '…/')}\``,
    `\`${event}\``,
    `\`${channel.replace('drone-task-queue:', '')}\``,
    text,
    fields,
  ]);
  return [
    HEAD,
    METRICS,
    tableOf(['metric', 'type', 'meaning'], metricCells()),
    LOG,
    EVENTS,
    tableOf(['from', 'event', 'channel', 'when', 'fields of the message'], events),
  ].join('\n');
}
