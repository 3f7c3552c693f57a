// How examples/expected/*.txt, and the blocks of text behind programs of the docs, say what is printed: line by line, in order.
//
//   text      exactly this line
//   /regex/   a line that the expression matches as a whole
//   ...       any number of lines, none too

/**
 * The first place where the output is not as expected, in words; undefined when it is.
 * @param {string} expected
 * @param {string} output
 */
export function mismatch(expected, output) {
  const patterns = linesOf(expected);
  const lines = linesOf(output);
  if (patterns.length === 0) return 'nothing is expected: the file of expected lines is empty';
  // Patterns are tried against all places that the output may have been read up to; `...` is what makes them several.
  let places = new Set([0]);
  for (const [index, pattern] of patterns.entries()) {
    const next = new Set();
    const first = Math.min(...places);
    if (pattern === '...') {
      for (let place = first; place <= lines.length; place += 1) next.add(place);
    } else {
      for (const place of places) if (place < lines.length && fits(pattern, String(lines[place]))) next.add(place + 1);
    }
    if (next.size === 0) {
      const found = first < lines.length ? `"${String(lines[first])}"` : 'the end of the output';
      return `line ${String(index + 1)} of the expected ones, "${pattern}", is not met by ${found} (line ${String(first + 1)})`;
    }
    places = next;
  }
  if (places.has(lines.length)) return undefined;
  const last = Math.max(...places);
  return `"${String(lines[last])}" (line ${String(last + 1)}) comes after the last expected line`;
}

/** @param {string} text */
function linesOf(text) {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** @param {string} pattern @param {string} line */
function fits(pattern, line) {
  const expression = /^\/(.+)\/$/.exec(pattern)?.[1];
  return expression === undefined ? line === pattern : new RegExp(`^(?:${expression})$`).test(line);
}
