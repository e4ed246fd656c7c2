/** Counts what the door refuses, by the reason; `/metrics` shows each reason from the beginning. */
export const refusalReasons = [
  'host',
  'origin',
  'requests',
  'requests-of-client',
  'waits',
  'waits-of-client',
  'system',
  'system-of-client',
  'strangers',
  'uploads',
  'uploads-of-client',
  'answers',
  'answers-of-client',
  'events',
  'events-of-client',
  'forced-cps',
  'queries',
  'queries-of-client',
  'credentials',
  'pins',
] as const
export type RefusalReason = (typeof refusalReasons)[number]

export class Refusals {
  private readonly counts = new Map<RefusalReason, number>(refusalReasons.map((why) => [why, 0]))

  count(why: RefusalReason): void {
    this.counts.set(why, this.counts.get(why)! + 1)
  }

  entries(): Iterable<readonly [RefusalReason, number]> {
    return this.counts
  }
}
