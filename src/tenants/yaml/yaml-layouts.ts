import { setImmediate as nextTurn } from 'node:timers/promises';
import { bytes } from '../../option/option-kinds.js';
import { readOptions, type Table } from '../../option/option-table.js';
import { loadPackage } from '../../option/optional-package.js';
import { LayoutError } from '../layout-error.js';
import type { MakeLayout } from '../loader-options.js';
import { assembleLayout } from './assembly.js';
import { FileFaults } from './file-faults.js';
import { readDefinitions, type FileDefinitions } from './file-definitions.js';
import type { Layout } from './layout.js';
import { UnreadNames } from './unread-names.js';
import { YamlFiles } from './yaml-files.js';

/** Options for reading layouts. */
export interface YamlLayoutsOptions {
  /** Maximum size of a file in bytes of UTF-8; a larger file counts as broken. Default 262,144. */
  maxFileBytes?: number | undefined;
}

/**
 * Layouts in YAML cannot be created at all.
 *
 * - `ERR_PACKAGE_MISSING`: the package `yaml` is not installed. The message gives the command to install it.
 */
export class YamlLayoutsError extends Error {
  override readonly name = 'YamlLayoutsError';
  readonly code: 'ERR_PACKAGE_MISSING';

  /** @internal */
  constructor(code: 'ERR_PACKAGE_MISSING', message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export const YAML_LAYOUTS = { maxFileBytes: bytes({ from: 1 }).or(262_144) } satisfies Table<YamlLayoutsOptions>;

/**
 * Creates a ConfigLoader's `makeLayout` for configuration in YAML (1.2); docs/layouts-yaml.md lists the keys. Nothing
 * in a file is executed. `makeLayout` rejects with one LayoutError for all faults, each with project, branch, path and
 * line. Faults show only names and numbers, no other values.
 *
 *     const loader = new ConfigLoader({ …, makeLayout: await yamlLayouts() });
 *
 * Rejects with a TypeError (`ERR_INVALID_ARG`) that names the option at fault, or with a YamlLayoutsError
 * (`ERR_PACKAGE_MISSING`).
 */
export async function yamlLayouts(options: YamlLayoutsOptions = {}): Promise<MakeLayout<Layout>> {
  const { maxFileBytes } = readOptions(YAML_LAYOUTS, options);
  const yaml = await loadPackage('yaml', 'a layout in YAML', async () => import('yaml'), YamlLayoutsError);
  const reading = new YamlFiles(yaml, maxFileBytes);
  return async (files, tenant) => {
    const read: FileDefinitions[] = [];
    const unread = new UnreadNames();
    for (const file of files) {
      const faults = new FileFaults(file);
      const definitions = readDefinitions(file, reading.read(file.text, faults), faults);
      read.push(definitions);
      if (!definitions.isWhole) unread.add(reading.isTooBig(file.text) ? undefined : file.text);
      // A tenant may have a thousand files.
      await nextTurn();
    }
    const layout = assembleLayout(read, unread, tenant);
    const faults = read.flatMap(one => one.faults.all());
    if (faults.length > 0) throw new LayoutError(faults);
    return layout;
  };
}
