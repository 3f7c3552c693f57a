/** Colour and movement, where the output is a terminal; plain lines anywhere else. */

const COLOURS = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;

export class Paint {
  /** Whether lines that are written can be written over. */
  readonly moves: boolean;
  readonly #colours: boolean;
  readonly #out: NodeJS.WriteStream;
  #replaceable = 0;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
    this.moves = out.isTTY && process.env['TERM'] !== 'dumb';
    // See no-color.org: set to anything but nothing.
    this.#colours = this.moves && !process.env['NO_COLOR'];
  }

  get columns(): number {
    // A terminal that does not know its own size says 0.
    return (this.#out.isTTY && this.#out.columns) || Infinity;
  }

  get rows(): number {
    return this.#out.isTTY ? this.#out.rows : 0;
  }

  colour(name: keyof typeof COLOURS, text: string): string {
    return this.#colours ? `\x1b[${String(COLOURS[name])}m${text}\x1b[0m` : text;
  }

  line(text = ''): void {
    this.#replaceable = 0;
    this.#out.write(`${text}\n`);
  }

  /** Writes lines over those of the last time, unless another line has come after them. */
  replace(lines: readonly string[]): void {
    const up = this.#replaceable > 0 ? `\x1b[${String(this.#replaceable)}A` : '';
    this.#replaceable = lines.length;
    this.#out.write(up + lines.map(line => `\x1b[2K${line}\n`).join(''));
  }
}
