/** Untrusted text in our messages: its author can neither fill a log nor forge a line of it. */

const MAX_CHARS = 300;

/** On one line, cut after 300 characters, without control characters. */
export function oneLine(untrusted: string): string {
  const line = untrusted.replaceAll(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  return line.length > MAX_CHARS ? `${line.slice(0, MAX_CHARS)}…` : line;
}

export function quote(untrusted: string): string {
  return JSON.stringify(oneLine(untrusted));
}
