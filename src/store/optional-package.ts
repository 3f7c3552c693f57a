/** Packages that only some stores need. */
import { StoreError } from './store-error.js';

/** Imports it; rejects with StoreError (`ERR_PACKAGE_MISSING`), which has the command, when it is not installed. */
export async function loadPackage<T>(name: string, neededFor: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes(`'${name}'`)) throw error;
    throw new StoreError('ERR_PACKAGE_MISSING', `${neededFor} needs the package ${name}: npm install ${name}`, {
      cause: error,
    });
  }
}
