/** What the drones themselves wrote down: a line as a call starts on them, a line as it ends. */
import { readFile } from 'node:fs/promises';

export interface Marks {
  starts: number;
  ends: number;
}

/** By the calls' ids. */
export async function readDroneLedger(path: string): Promise<Map<string, Marks>> {
  const marks = new Map<string, Marks>();
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    if (line === '') continue;
    const [id, mark] = line.split(' ');
    if (id === undefined || (mark !== 'start' && mark !== 'end')) throw new Error(`${path} has a line '${line}'`);
    const known = marks.get(id) ?? { starts: 0, ends: 0 };
    marks.set(id, known);
    if (mark === 'start') known.starts++;
    else known.ends++;
  }
  return marks;
}

/** Shell text that leaves both marks around `body`. Each is one write at the file's end, so that none is torn. */
export function marked(path: string, id: string, body = ''): string {
  const mark = (which: string): string => `printf '%s ${which}\\n' ${id} >> ${path}`;
  return [mark('start'), ...(body === '' ? [] : [body]), mark('end')].join('; ');
}
