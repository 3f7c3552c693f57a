/** What a person has to put right before `drone-shard` can start: arguments, configuration or environment. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
