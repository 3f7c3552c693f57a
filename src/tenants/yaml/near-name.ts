/** What somebody may have meant who mistyped a name. */

/** Of each name that may be defined. Names stand in messages and lists, and each unknown one is held against many. */
export const MAX_NAME_LENGTH = 200;
/** Among more, nobody looks for one that is meant. */
const MAX_NAMES = 10_000;

/** ` (did you mean 'build'?)`, or nothing when there is no such name, or several, or what is looked at is too much. */
export function suggestion(name: string, names: ReadonlySet<string>): string {
  if (name.length > MAX_NAME_LENGTH || names.size > MAX_NAMES) return '';
  const lower = name.toLowerCase();
  let near: string | undefined;
  for (const candidate of names) {
    if (Math.abs(candidate.length - name.length) > 1 || !isNear(lower, candidate.toLowerCase())) continue;
    if (near !== undefined) return '';
    near = candidate;
  }
  return near === undefined ? '' : ` (did you mean '${near}'?)`;
}

/** One character is missing, too much or another one, or two are swapped. */
function isNear(one: string, other: string): boolean {
  if (Math.abs(one.length - other.length) > 1 || one.length < 3) return false;
  let head = 0;
  while (head < one.length && one[head] === other[head]) head += 1;
  let tail = 0;
  const most = Math.min(one.length, other.length) - head;
  while (tail < most && one.at(-1 - tail) === other.at(-1 - tail)) tail += 1;
  const [left, right] = [one.slice(head, one.length - tail), other.slice(head, other.length - tail)];
  const isSwapped = left.length === 2 && right === `${left.slice(1)}${left.slice(0, 1)}`;
  return isSwapped || Math.max(left.length, right.length) <= 1;
}
