/** Host keys that are none, for the lines of a known_hosts file. */

/** A key's wire form: what it holds besides its type does not matter there. */
export function keyBlob(seed: number, type = 'ssh-ed25519'): Buffer {
  const typeBytes = Buffer.from(type);
  const parts = [typeBytes, Buffer.alloc(32, seed)].flatMap(part => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    return [length, part];
  });
  return Buffer.concat(parts);
}
