/** What the command line may change, for a quick look. */
export interface Scale {
  readonly drones: number | undefined;
  readonly runs: number | undefined;
}
