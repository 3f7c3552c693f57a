// docs/errors.md: every error code, from the lists in the doc comments of src/ (`- \`ERR_…\`: what happened. What to do.`).
import ts from 'typescript';
import {
  capitalized,
  entriesNamed,
  entryPointOf,
  firstParagraphOf,
  GENERATED,
  nodesThat,
  sentences,
  tableOf,
} from './source.js';

/** Codes in the source that this package never shows as its own. */
export const NOT_SHOWN = [
  // Node's, which the source compares with.
  'ERR_BUFFER_TOO_LARGE',
  'ERR_MODULE_NOT_FOUND',
  // Stays between a fake drone and its worker thread.
  'ERR_FAKE_BREAK_THREAD',
];

/** Of unions of codes that are not the `code` of one class. @type {Readonly<Record<string, string>>} */
const SHOWN_BY = {
  DroneErrorCauseCode: '`cause` of DroneError',
  RefusalCode: 'HTTP answer of a master',
  HeartbeatFailureCode: 'metric and log of a ShardClient',
};

const HEAD = `# Error codes

Every error of this package has a \`code\`. Programs should compare codes; messages are for people and may change.

- A failed round throws one DroneTaskQueueException (\`ERR_DRONES_FAILED\`). It holds a DroneError for each failed
  drone; [failures.md](failures.md) lists their kinds. \`causeCode\` of a DroneError is the \`code\` of its \`cause\`: a
  code marked "\`cause\` of DroneError" below, a system code such as \`ECONNREFUSED\`, or a code from your own methods.
- An error with a \`cause\` wraps another error. Log both.
- Invalid arguments and options cause a TypeError with \`ERR_INVALID_ARG\`, thrown before anything starts.

${GENERATED}
`;

/**
 * A code of one class of errors.
 *
 * @typedef {{ code: string, shownBy: string, meaning: string, remedy: string }} CodeRow
 * @returns {CodeRow[]}
 */
export function codeRows() {
  const classes = classesByCode();
  const rows = entriesNamed(/^ERR_/).map(({ name, note, text, node }) => {
    const [meaning = '', remedy = ''] = sentences(text, 2);
    return { code: name, shownBy: shownBy(node, note, classes), meaning: capitalized(meaning), remedy };
  });
  return rows.sort((a, b) => (a.code === b.code ? order(a.shownBy, b.shownBy) : order(a.code, b.code)));
}

/** @param {string} a @param {string} b */
function order(a, b) {
  return a < b ? -1 : 1;
}

/** Exported classes whose field \`code\` has a named type, by that name. */
function classesByCode() {
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const declaration of nodesThat(ts.isClassDeclaration)) {
    for (const member of declaration.members) {
      if (!ts.isPropertyDeclaration(member) || member.name.getText() !== 'code' || member.type === undefined) continue;
      if (ts.isTypeReferenceNode(member.type)) found.set(member.type.getText(), declaration.name?.text ?? '');
    }
  }
  return found;
}

/**
 * @param {import('typescript').Node} node
 * @param {string | undefined} note
 * @param {ReadonlyMap<string, string>} classes
 */
function shownBy(node, note, classes) {
  if (ts.isClassDeclaration(node)) return node.name?.text ?? '';
  if (!ts.isTypeAliasDeclaration(node)) return note ?? 'Error';
  const name = node.name.text;
  const label = SHOWN_BY[name] ?? classes.get(name) ?? 'Error';
  return note === undefined ? label : `${label}, status ${note}`;
}

/** Classes of errors that an entry point exports, each with its import path and its meaning. */
export function classRows() {
  const classes = nodesThat(ts.isClassDeclaration).filter(({ members }) =>
    members.some(member => ts.isPropertyDeclaration(member) && member.name.getText() === 'code'),
  );
  return classes
    .flatMap(declaration => {
      const name = declaration.name?.text ?? '';
      const entry = entryPointOf(name);
      return entry === undefined ? [] : [[name, `\`${entry}\``, firstParagraphOf(declaration)]];
    })
    .sort(([a = ''], [b = '']) => order(a, b));
}

export function page() {
  const codes = codeRows().map(({ code, shownBy, meaning, remedy }) => [`\`${code}\``, shownBy, meaning, remedy]);
  return [
    HEAD,
    '## Classes\n',
    tableOf(['class', 'import from', 'meaning'], classRows()),
    '## Codes\n',
    tableOf(['code', 'error', 'what happened', 'consequences and what to do'], codes),
  ].join('\n');
}
