/** The events of tenants. */
import { publisher } from '../report/channel.js';

/** A tenant was to get a new layout, and has or has not. */
export interface LayoutEnd {
  readonly tenant: string;
  /** `loaded`, `failed`, `gone` or `busy`: as in the loader's report. */
  readonly outcome: string;
  readonly tookMs: number;
  /** How many problems the report has of it. */
  readonly problems: number;
}

interface TenantMessages {
  'drone-task-queue:layout.end': LayoutEnd;
}

/** Names of the channels that the events of tenants are published on; see `events` of the core. */
export const events = {
  /** Carries a `LayoutEnd`. */
  layoutEnd: 'drone-task-queue:layout.end',
} as const satisfies Record<string, keyof TenantMessages>;

export const publish = publisher<TenantMessages>(Object.values(events));
