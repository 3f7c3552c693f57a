/** The process warnings that are given while it lives. */
export class Warnings implements Disposable {
  /** Of those that have none, the name. */
  readonly codes: string[] = [];

  constructor() {
    process.on('warning', this.#note);
  }

  readonly #note = ({ code, name }: Error & { code?: string }): void => {
    this.codes.push(code ?? name);
  };

  [Symbol.dispose](): void {
    process.off('warning', this.#note);
  }
}
