type Refusal = new (code: 'ERR_PACKAGE_MISSING', message: string, options: ErrorOptions) => Error;

/** Imports an optional peer. Rejects with `ERR_PACKAGE_MISSING` and the command that installs it when it is missing. */
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
