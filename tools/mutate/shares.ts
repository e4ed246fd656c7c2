/**
 * How much of a long test runs for an edit. An edit that survives runs everything that reaches it: 20,000 crash images
 * alone are two minutes of it, and nearly all that they notice, the first 2,000 notice.
 */
export const longTestShares: Readonly<Record<string, string>> = {
  STILLPOINT_CRASH_IMAGES: '2000',
  STILLPOINT_EXHAUSTIVE_SECONDS: '1',
  STILLPOINT_SIM_SECONDS: '5',
}
