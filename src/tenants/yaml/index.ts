/**
 * `drone-task-queue/tenants/yaml`: layouts of pipelines, jobs and projects, from files in YAML.
 *
 *     ConfigLoader ─► yamlLayouts: each file ─► values with their lines ─► what it defines ─► all of them: a Layout
 */
export { yamlLayouts, YamlLayoutsError } from './yaml-layouts.js';
export type { YamlLayoutsOptions } from './yaml-layouts.js';
export { Layout } from './layout.js';
export type { LayoutJob, LayoutPipeline, LayoutPlace } from './layout.js';
