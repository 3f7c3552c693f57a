import leven from 'leven';

/** Longer names, or more of them, are not compared: they may come from a hostile file. */
export const MAX_NAME_LENGTH = 200;
const MAX_NAMES = 10_000;
const MAX_EDITS = 2;

/** ` (did you mean 'build'?)` for the nearest of `names`; empty when none is near, or several are equally near. */
export function suggestion(name: string, names: Iterable<string>): string {
  const candidates = [...names];
  if (name.length > MAX_NAME_LENGTH || candidates.length > MAX_NAMES) return '';
  let fewest = Math.min(MAX_EDITS, Math.floor(name.length / 2.5)) + 1;
  let nearest: string | undefined;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > fewest) continue;
    const edits = leven(name.toLowerCase(), candidate.toLowerCase(), { maxDistance: fewest + 1 });
    if (edits === fewest) nearest = undefined;
    if (edits >= fewest) continue;
    fewest = edits;
    nearest = candidate;
  }
  return nearest === undefined ? '' : ` (did you mean '${nearest}'?)`;
}
