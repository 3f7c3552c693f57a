/** Packages that only some users need. */

/** Makes the error of a part of this package. */
type Refusal = new (code: 'ERR_PACKAGE_MISSING', message: string, options: ErrorOptions) => Error;

/** Imports it; rejects with `ERR_PACKAGE_MISSING`, whose message has the command, when it is not installed. */
export async function loadPackage<T>(
  name: string,
  neededFor: string,
  load: () => Promise<T>,
  Refusal: Refusal,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND' || !message.includes(`'${name}'`)) throw error;
    throw new Refusal('ERR_PACKAGE_MISSING', `${neededFor} needs the package ${name}: npm install ${name}`, {
      cause: error,
    });
  }
}
