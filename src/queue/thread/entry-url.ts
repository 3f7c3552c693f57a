/** The program of a worker thread. */
import { packageFile } from '../../option/package-file.js';

/** The module that makes a pool imports this one before piscina: in a bundle, piscina fails to load and does not say why. */
export const ENTRY_URL = packageFile('./entry.js', import.meta.url);
