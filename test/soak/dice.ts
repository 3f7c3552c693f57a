/** Random choices that can be made again: the same seed gives the same ones. */

export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number. */
  between(low: number, high: number): number {
    return Math.round(low + this.next() * (high - low));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.next() * list.length)];
  }

  /** As `pick`; one of twice the weight comes twice as often. */
  weighted<T extends { readonly weight: number }>(list: readonly T[]): T | undefined {
    let left = this.next() * list.reduce((sum, { weight }) => sum + weight, 0);
    return list.find(({ weight }) => (left -= weight) < 0);
  }

  /** Other dice, whose throws do not depend on how often these are thrown. */
  apart(): Dice {
    return new Dice(Math.floor(this.next() * 2 ** 32));
  }
}
