/** What stands in a file of YAML, each value with its line. */

/** An alias gives the very value that it stands for, with the line of that. */
export type YamlValue = YamlMap | YamlList | YamlScalar | YamlNothing;

export interface YamlMap {
  readonly kind: 'map';
  readonly line: number;
  /** Each key once. */
  readonly entries: readonly YamlEntry[];
}

export interface YamlEntry {
  readonly key: string;
  /** Of the key. */
  readonly line: number;
  readonly value: YamlValue;
}

export interface YamlList {
  readonly kind: 'list';
  readonly line: number;
  readonly items: readonly YamlValue[];
}

export interface YamlScalar {
  readonly kind: 'scalar';
  readonly line: number;
  /** As it is written, also of what YAML takes for a number: `1.10`. */
  readonly text: string;
  readonly value: string | number | boolean;
}

export interface YamlNothing {
  readonly kind: 'nothing';
  readonly line: number;
  /** As it is written: `null` or `~`. Undefined when nothing is. */
  readonly text?: string | undefined;
}
