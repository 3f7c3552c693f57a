// docs/failures.md: the kinds, phases and fields of a DroneError, from the doc comments of src/, and what follows from each kind,
// from the table of the code (dist/).
import ts from 'typescript';
import { ERROR_KINDS } from '../../dist/queue/drone/error-kinds.js';
import { codeRows } from './errors.js';
import { capitalized, docOf, entriesOf, GENERATED, nodesIn, sentences, sourceOf, tableOf } from './source.js';

const HEAD = `# Failures of drones

When a drone's batch does not finish, the round reports one DroneError for it. Programs read these fields:

- \`kind\`: what happened.
- \`phase\`: how far the batch had got.
- \`causeCode\`: the \`code\` of the underlying error, if it has one.
- \`completed\`, \`call\`, \`mayHaveRun\`, \`notStarted\`: what happened to each call.

The queue publishes each failure at once as the event \`workerException\` (see [observability.md](observability.md));
\`execute\` reports all of them when the round has ended. [faults.md](faults.md) shows real faults and what you see of
each.

${GENERATED}
`;

const CALLS = `## What happened to each call

Every call of a failed batch is in exactly one place, with one exception:

| place | meaning | returns to the drone's queue |
| --- | --- | --- |
| \`completed\` | it has a value, in the order of the calls | no |
| \`call\` | it failed or was terminated; if it was cancelled before its start, it did not run | no |
| \`mayHaveRun\` | it was sent and has no answer | if it is \`idempotent\` |
| \`notStarted\` | it certainly did not run | yes, to the front |

If \`call\` is also in \`mayHaveRun\`, the agent did not report how it ended. With \`leftovers: 'drop'\`, nothing
returns to the queue. After a retry, calls that an earlier attempt may have run stay in \`mayHaveRun\`.
[retry-and-kick-out.md](retry-and-kick-out.md) explains how to run the rest.
`;

const CONSEQUENCES = `## What follows from each kind

- **Retried** means within the same round, and only if each call without an answer is safe to send: it certainly did not
  run, or it is \`idempotent\`. "By default" means even without the option \`retry\`. Nothing is retried once the round
  is past its deadline or cancelled.
- **Counts for \`stopOn\`** means that the failure counts towards stopping the round.
- **\`kickOut\`**: "counts" means one more failed round in a row; "resets" means that the drone has shown that it
  answers. There are three exceptions: a \`timeout\` or \`lost\` resets the count if the agent reported how the call
  ended; a failure in phase \`waiting\` counts only if the attempt before it counts; and a failure because this machine
  is out of files or ports (\`EMFILE\`, \`ENFILE\`, \`ENOBUFS\`, \`EADDRNOTAVAIL\`) never counts.
`;

/** Of Error, so the class does not declare it. */
const MESSAGE = ['`message`', 'Kind, phase and cause, without the hostname; write `failure.hostname` in front of it.'];

const RETRIED = { default: 'by default, once', 'with option': 'with `retry`', never: 'never' };
const SIGNS = { silent: 'counts', answers: 'resets', none: '–' };

/** @param {string} file @param {string} name */
function aliasIn(file, name) {
  const found = nodesIn(sourceOf(file), ts.isTypeAliasDeclaration).find(alias => alias.name.text === name);
  if (found === undefined) throw new Error(`src/${file} has no type ${name}`);
  return found;
}

/** Each kind with what happened, which calls ran, and what to do. */
export function kindRows() {
  return entriesOf(aliasIn('queue/drone/error-kinds.ts', 'DroneErrorKind')).map(({ name, text }) => [
    `\`${name}\``,
    ...sentences(text, 3).map(capitalized),
  ]);
}

/** @returns {string[][]} */
function consequenceRows() {
  return Object.entries(ERROR_KINDS).map(([kind, { retry, stopOn, sign }]) => [
    `\`${kind}\``,
    RETRIED[retry],
    stopOn ? 'yes' : 'no',
    SIGNS[sign],
  ]);
}

/** @returns {string[][]} */
function phaseRows() {
  const entries = entriesOf(aliasIn('queue/wire/messages.ts', 'Phase')).filter(({ text }) => !/not in use/.test(text));
  return entries.map(({ name, text }) => [`\`${name}\``, capitalized(text)]);
}

/** @returns {string[][]} */
function fieldRows() {
  const classes = nodesIn(sourceOf('queue/drone/drone-error.ts'), ts.isClassDeclaration);
  const members = classes.find(({ name }) => name?.text === 'DroneError')?.members ?? [];
  return [...members].flatMap(member => {
    const doc = docOf(member);
    return member.name === undefined || doc === '' ? [] : [[`\`${member.name.getText()}\``, doc]];
  });
}

export function page() {
  const causes = codeRows().filter(({ shownBy }) => shownBy === '`cause` of DroneError');
  return [
    HEAD,
    '## Kinds\n',
    tableOf(['kind', 'what happened', 'which calls ran', 'what to do'], kindRows()),
    CALLS,
    CONSEQUENCES,
    tableOf(['kind', 'retried', 'counts for `stopOn`', '`kickOut`'], consequenceRows()),
    '## Phases\n',
    tableOf(['phase', 'what happens in it'], phaseRows()),
    '## Fields of a DroneError\n',
    tableOf(['field', 'meaning'], [MESSAGE, ...fieldRows()]),
    '## Codes of causes\n',
    'The package uses these values of `causeCode`; [errors.md](errors.md) says what to do about each.\n',
    tableOf(
      ['`causeCode`', 'what happened'],
      causes.map(({ code, meaning }) => [`\`${code}\``, meaning]),
    ),
  ].join('\n');
}
