#!/usr/bin/env node
/** `drone-shard`: a shard or a master as a program. */
try {
  const { main } = await import('./cli/main.js');
  process.exitCode = await main(process.argv.slice(2), process.env);
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const missing = code === 'ERR_MODULE_NOT_FOUND' ? /'(kysely|typebox)/.exec(message)?.[1] : undefined;
  if (missing === undefined) throw error;
  process.stderr.write(`drone-shard needs the package ${missing}: npm install ${missing}\n`);
  process.exitCode = 1;
}
