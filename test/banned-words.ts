/** Words that make a reader of code or documentation ask what they stand for. */
import type { WordRule } from './source-rules.js';

export const WORDS: readonly WordRule[] = [
  { word: /\bwhoever\b/i, say: 'name the actor: the caller, the scheduler, the agent' },
  { word: /\b(nobody|somebody)\b/i, say: 'code is not a person: name the part, or say "nothing", "no caller"' },
  { word: /\b(his|him)\b/i, say: 'code is not a person: name the part, or say "it"' },
  { word: /\bis told\b/i, say: 'name what happens: is reported, logged, sent, notified' },
  { word: /\bof yours\b/i, say: 'say "your …"' },
  {
    // Fine are "there is no agent", "is no longer needed", "is no more than", "the default is no limit", and
    // what begins a line, as the words before it are on another.
    word: /(?<!\bthere |^[\s*/]*)\bis no (?!(?:longer|more|less|limit)\b)[a-z]\w*/i,
    say: 'say "is not a …", or name what is wrong: "invalid …"',
  },
];
