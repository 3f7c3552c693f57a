/** At the end: the drones' own ledgers against what the callers were told, call by call over its whole story. */
import { readDroneLedger } from './drone-ledger.js';
import type { Farm } from './farm.js';
import { SECOND_PREFIX } from './second-controller.js';
import type { Tally } from './tally.js';
import type { Telling, Timeline, TimelineEntry } from './timeline.js';

interface Story {
  least: number;
  most: number;
  /** Told to have returned, and to run once: then it has run to its end, too. */
  isWhole: boolean;
}

/** Faults may show so late, ms. */
const STORY_MARGIN_MS = 20_000;

export async function compare(farm: Farm, timeline: Timeline, tally: Tally): Promise<void> {
  const stories = await readStories(timeline);
  const say = (id: string, what: string): void => {
    tally.breaches.push({ what: `${id}: ${what}`, id });
  };
  for (const { drone, ledger } of farm.members) {
    const marks = await readDroneLedger(ledger);
    for (const [id, { starts, ends }] of marks) {
      tally.count('ledger', 'starts', starts);
      if (id.startsWith(SECOND_PREFIX)) {
        if (starts > 1) say(id, `the second controller's, started ${String(starts)} times`);
        continue;
      }
      const story = stories.get(id);
      if (!story) say(id, `started on ${drone.hostname}, and was not reported`);
      else if (story.isWhole && ends !== starts)
        say(id, `started ${String(starts)} times, ended ${String(ends)} times`);
    }
    const ofDrone = [...stories].filter(([id]) => id.startsWith(`${drone.hostname}.`));
    for (const [id, { least, most }] of ofDrone) {
      const { starts = 0 } = marks.get(id) ?? {};
      if (starts >= least && starts <= most) continue;
      const expected = least === most ? String(least) : `${String(least)} to ${String(most)}`;
      say(id, `started ${String(starts)} times, told: ${expected}`);
    }
  }
}

async function readStories(timeline: Timeline): Promise<Map<string, Story>> {
  const stories = new Map<string, Story>();
  for await (const { id, what, telling } of timeline.read()) {
    if (id === undefined) continue;
    const story = stories.get(id) ?? { least: 0, most: 0, isWhole: false };
    stories.set(id, story);
    if (what === 'told' && telling) add(story, telling);
  }
  return stories;
}

function add(story: Story, { told, least, most }: Telling): void {
  // An idempotent call's earlier, unknown runs may have been cut short.
  story.isWhole = told === 'value' && least === 1 && story.most === 0 && most === 1;
  story.least += least;
  story.most += most;
}

/** What happened to the calls of breaches, and the faults of that time that may have met them. */
export async function tellStories(timeline: Timeline, { breaches }: Tally): Promise<string[]> {
  const ids = [...new Set(breaches.flatMap(({ id }) => id ?? []))];
  const spans = new Map<string, { fromMs: number; toMs: number }>();
  for await (const { id, atMs } of timeline.read()) {
    if (id === undefined || !ids.includes(id)) continue;
    const span = spans.get(id) ?? { fromMs: atMs - STORY_MARGIN_MS, toMs: 0 };
    spans.set(id, { ...span, toMs: atMs + STORY_MARGIN_MS });
  }
  const stories = new Map(ids.map(id => [id, [`the story of ${id}:`]]));
  for await (const entry of timeline.read()) {
    for (const [id, lines] of stories) {
      const span = spans.get(id);
      const isNear = span === undefined || (entry.atMs >= span.fromMs && entry.atMs <= span.toMs);
      const mayMeet = isNear && entry.id === undefined && (entry.drone === hostOf(id) || !isHost(entry.drone));
      if (entry.id === id || mayMeet) lines.push(`  ${describe(entry)}`);
    }
  }
  return [...stories.values()].map(lines => lines.join('\n'));
}

/** Ids begin with their drone's name. */
function hostOf(id: string): string | undefined {
  return id.split('.', 1)[0];
}

function isHost(name: string | undefined): boolean {
  return /^d\d+$/.test(name ?? '');
}

function describe({ atMs, drone, round, what, telling }: TimelineEntry): string {
  const where = [round === undefined ? '' : `round ${String(round)}`, drone ?? ''].filter(Boolean).join(', ');
  const told = telling ? ` ${telling.told} (${telling.failure ?? 'the drone is well'})` : '';
  return `${(atMs / 1000).toFixed(1).padStart(7)} s  ${where.padEnd(18)}  ${what}${told}`;
}
