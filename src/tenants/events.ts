import { publisher, subscriber } from '../report/channel.js';

/** A loader has created a tenant's layout, or failed to. */
export interface LayoutEnd {
  readonly tenant: string;
  /** `loaded`, `failed`, `gone` or `busy`: as in the loader's report. */
  readonly outcome: string;
  readonly tookMs: number;
  /** How many of the report's problems concern this tenant. */
  readonly problems: number;
}

/** The message of each event of tenants, by channel. */
export interface TenantMessages {
  'drone-task-queue:layout.end': LayoutEnd;
}

/** Names of the channels that the events of tenants are published on; see `events` of the core. */
export const events = {
  /** Carries a `LayoutEnd`. */
  layoutEnd: 'drone-task-queue:layout.end',
} as const satisfies Record<string, keyof TenantMessages>;

export const publish = publisher<TenantMessages>(Object.values(events));

/** Subscribes to one of `events` with the type of its message. Returns a function that unsubscribes. */
export const subscribe = subscriber<TenantMessages>();
