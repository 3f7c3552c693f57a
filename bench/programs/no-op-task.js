// What the raw piscina runs.
export default async function noOp() {
  return undefined;
}
