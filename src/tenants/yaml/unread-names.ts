/** Which names may be defined in files that could not be read. */

/** Of all files together: what a few broken files have. With more, any name may be there. */
const MAX_WORDS = 200_000;
/** What stands between names, and around them. */
const WORD = /[^\s[\]{},:"']+/g;

export class UnreadNames {
  readonly #words = new Set<string>();
  #mayHaveAny = false;

  /** `text`: undefined for a file that is not even looked into. */
  add(text: string | undefined): void {
    if (text === undefined) this.#mayHaveAny = true;
    if (text === undefined || this.#mayHaveAny) return;
    for (const [word] of text.matchAll(WORD)) {
      this.#words.add(word);
      if (this.#words.size > MAX_WORDS) {
        this.#mayHaveAny = true;
        this.#words.clear();
        return;
      }
    }
  }

  mayHave(name: string): boolean {
    return this.#mayHaveAny || (this.#words.size > 0 && (name.match(WORD) ?? []).every(word => this.#words.has(word)));
  }
}
