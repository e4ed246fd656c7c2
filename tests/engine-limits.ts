/** Limits that a test does not care about. The program takes its own from the configuration, and nothing has others. */
export const queueLimit = { queueBytesMax: 64 * 2 ** 20 }
export const cacheLimit = { nodeCacheBytesMax: 256 * 2 ** 20 }
export const engineLimits = { ...queueLimit, ...cacheLimit, cpIntervalMs: 1000 }
/** Of received blocks that wait for a mirror's device. */
export const mirrorLimit = { queueBytesMax: 32 * 2 ** 20 }
