/** Another scheduler: publishes a list of tenants of one name each, at the ltime given, and ends. */
import assert from 'node:assert/strict';
import { PublishedConfig } from '../published-config.js';

const [path, ltime, ...names] = process.argv.slice(2);
assert(path !== undefined);
const tenants = names.map(name => ({ name, projects: [{ project: name }] }));
await new PublishedConfig(path).publish({ ltime: Number(ltime), tenants });
