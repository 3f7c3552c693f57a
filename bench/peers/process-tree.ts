/** Processes and what they have started, as Linux tells it in /proc. What has just ended counts as nothing. */
import { readdirSync, readFileSync, statSync } from 'node:fs';

const NS_PER_MS = 1e6;
/** Of clock ticks in /proc; the same on every Linux that Node runs on. */
const MS_PER_TICK = 10;
/** In /proc/stat: user, nice, system; then idle and iowait, which are no work; then interrupts. */
const BUSY_TICKS = [0, 1, 2, 5, 6];

/** Live descendants, without `root` itself. */
export function descendantsOf(root: number): number[] {
  const found: number[] = [];
  const left = [root];
  for (let pid = left.pop(); pid !== undefined; pid = left.pop()) {
    for (const thread of threadsOf(pid)) {
      const children = textOf(`/proc/${String(pid)}/task/${thread}/children`)
        .split(' ')
        .filter(Boolean)
        .map(Number);
      found.push(...children);
      left.push(...children);
    }
  }
  return found;
}

/** CPU of all live threads, ms. */
export function cpuMsOf(pids: readonly number[]): number {
  return pids
    .flatMap(pid => threadsOf(pid).map(thread => `/proc/${String(pid)}/task/${thread}/schedstat`))
    .map(path => Number(textOf(path).split(' ')[0] ?? 0) / NS_PER_MS)
    .reduce((sum, ms) => sum + ms, 0);
}

/** CPU that all processes of this machine and its kernel have used, ms. */
export function machineCpuMs(): number {
  const ticks = /^cpu +(.*)/.exec(textOf('/proc/stat'))?.[1]?.split(' ').map(Number) ?? [];
  return BUSY_TICKS.reduce((sum, field) => sum + (ticks[field] ?? 0), 0) * MS_PER_TICK;
}

/** Processes of one user; without those that have ended, and of which their parent has not taken note yet. */
export function processesOf(uid: number): Set<number> {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  const isHis = (pid: number): boolean => orGone(() => statSync(`/proc/${String(pid)}`))?.uid === uid;
  return new Set(pids.filter(pid => isHis(pid) && !hasEnded(pid)));
}

function hasEnded(pid: number): boolean {
  return /^[^]*\) [ZX]/.test(textOf(`/proc/${String(pid)}/stat`));
}

/** Memory with shared pages split among those who share them, KiB. */
export function memoryKbOf(pids: readonly number[]): number {
  return pids
    .map(pid => Number(/^Pss:\s+(\d+)/m.exec(textOf(`/proc/${String(pid)}/smaps_rollup`))?.[1] ?? 0))
    .reduce((sum, kb) => sum + kb, 0);
}

function threadsOf(pid: number): string[] {
  return orGone(() => readdirSync(`/proc/${String(pid)}/task`)) ?? [];
}

function textOf(path: string): string {
  return orGone(() => readFileSync(path, 'latin1')) ?? '';
}

function orGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
