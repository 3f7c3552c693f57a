#!/usr/bin/env node
/** `drone-shard`: a shard or a master as a program. */
import { main } from './cli/main.js';

process.exitCode = await main(process.argv.slice(2), process.env);
