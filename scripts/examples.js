// Runs each example and each program of the docs alone, from the packed package in an empty project. Arguments choose them by a
// part of an example's name, or of a program's page and line.
import { EmptyProject } from './empty-project.js';
import { exampleNames, problemOfExample } from './run-examples.js';
import { runPrograms } from './run-programs.js';

const wanted = process.argv.slice(2);
const names = exampleNames().filter(name => wanted.length === 0 || wanted.some(part => name.includes(part)));

/** @param {string} name @param {string | undefined} problem */
function report(name, problem) {
  console.log(`${problem === undefined ? 'ok    ' : 'FAILED'} ${name}`);
  if (problem === undefined) return;
  process.exitCode = 1;
  console.log(problem);
}

const project = new EmptyProject();
try {
  for (const name of names) report(name, problemOfExample(project, name));
  const programs = await runPrograms(project, wanted, report);
  if (names.length + programs === 0) throw new Error('no example or program to run');
} finally {
  project.remove();
}
