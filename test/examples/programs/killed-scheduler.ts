/**
 * Runs the program that its arguments name, a scheduler of a farm, and kills it by SIGKILL at a moment that the environment
 * names. Writes down the pids of its agents.
 */
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { events, type LinkOpen } from 'drone-task-queue';
import { events as schedulerEvents } from 'drone-task-queue/scheduler';
import { events as storeEvents, type SectionEnd } from 'drone-task-queue/store';
import { finishedPidfiles } from '../finished-pidfiles.js';

/**
 * - `ordered`: after the section that says what is started, before anything is.
 * - `answered`: so many drones have started what was ordered, others may be at it.
 * - `stopped`: as `answered`, but the agents were stopped before they could get to it.
 * - `ended`: a command has ended, the refresh has come back, and it is not written down.
 * - `queued-again`: after the section for a job of which it is certain that it was not started.
 * - `time`: so many milliseconds after the scheduler's start.
 * - `never`.
 */
export interface KillAt {
  readonly moment: 'ordered' | 'answered' | 'stopped' | 'ended' | 'queued-again' | 'time' | 'never';
  readonly count: number;
}

function killAt({ moment, count }: KillAt, folder: string): void {
  const agents: number[] = [];
  let left = count;
  const due = (): void => {
    left -= 1;
    if (left <= 0) process.kill(process.pid, 'SIGKILL');
  };
  subscribe(events.linkOpen, message => {
    const { agentPid } = message as LinkOpen;
    if (agentPid === undefined) return;
    agents.push(agentPid);
    appendFileSync(join(folder, 'agents'), `${String(agentPid)}\n`);
  });

  let isOrdered = false;
  let isActing = false;
  subscribe(storeEvents.sectionEnd, message => {
    const { section, failed } = message as SectionEnd;
    if (failed) return;
    if (section === 'queue again' && moment === 'queued-again') due();
    if (section !== 'start jobs') return;
    isOrdered = true;
    if (moment === 'ordered') due();
  });
  subscribe(events.roundStart, () => {
    isActing = isOrdered;
    isOrdered = false;
    if (!isActing || moment !== 'stopped') return;
    for (const pid of agents) process.kill(pid, 'SIGSTOP');
    // Time for the calls to reach the agents' pipes; should it be too short, they are as good as not sent.
    setTimeout(due, 300);
  });
  subscribe(events.workerFinish, () => {
    if (isActing && moment === 'answered') due();
  });

  // The first round of a tick is its refresh. What had not ended when the one before came back is in no section yet.
  let isRefreshing = false;
  let known = new Set(finishedPidfiles(folder));
  subscribe(schedulerEvents.tickStart, () => {
    isRefreshing = true;
  });
  subscribe(events.roundEnd, () => {
    isActing = false;
    if (!isRefreshing) return;
    isRefreshing = false;
    const now = finishedPidfiles(folder);
    if (moment === 'ended' && now.some(path => !known.has(path))) due();
    known = new Set(now);
  });
  if (moment === 'time') {
    left = 1;
    setTimeout(due, count);
  }
}

const { KILL_AT = '', FARM_FOLDER = '' } = process.env;
killAt(JSON.parse(KILL_AT) as KillAt, FARM_FOLDER);
process.argv.splice(1, 1);
await import(pathToFileURL(String(process.argv[1])).href);
