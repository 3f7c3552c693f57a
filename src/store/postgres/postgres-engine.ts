import type { Engine } from '../engine.js';
import type { StoreSettings } from '../store-options.js';
export function openPostgres(url: string, settings: StoreSettings): Promise<Engine> {
  return Promise.reject(new Error(url + settings.name));
}
