/** Of all files together, enough for a few broken ones. With more, any name may be there. */
const MAX_WORDS = 200_000;
/** Between the characters that separate names. */
const WORD = /[^\s[\]{},:"']+/g;

/** The names that may be defined in files that could not be read. */
export class UnreadNames {
  readonly #words = new Set<string>();
  #mayHaveAny = false;

  /** `text`: undefined for a file that is too big to be searched. */
  add(text: string | undefined): void {
    this.#mayHaveAny ||= text === undefined;
    for (const [word] of text?.matchAll(WORD) ?? []) {
      if (this.#mayHaveAny) break;
      this.#words.add(word);
      this.#mayHaveAny = this.#words.size > MAX_WORDS;
    }
    if (this.#mayHaveAny) this.#words.clear();
  }

  mayHave(name: string): boolean {
    return this.#mayHaveAny || (this.#words.size > 0 && (name.match(WORD) ?? []).every(word => this.#words.has(word)));
  }
}
