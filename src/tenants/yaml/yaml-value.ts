/** A value in a file of YAML, with its line. An alias is the value that it stands for, with that value's line. */
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
  /** As written, even if YAML reads a number: `1.10`. */
  readonly text: string;
  readonly value: string | number | boolean;
}

export interface YamlNothing {
  readonly kind: 'nothing';
  readonly line: number;
  /** As written: `null` or `~`, if anything. */
  readonly text?: string | undefined;
}
