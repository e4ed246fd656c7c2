import { NotLoaded } from './node-cache.ts'
import type { NodeLoader } from './node-loader.ts'

/** One look at a tree: what it gives, or the node that was missing. */
export function lookOnce<T>(at: () => T): T | NotLoaded {
  try {
    return at()
  } catch (error) {
    if (error instanceof NotLoaded) return error
    throw error
  }
}

/**
 * Runs a synchronous look at a tree; whenever a node is missing, loads it and runs the look again from the start, so
 * that its last run saw one instant.
 */
export async function lookWith<T>(loader: NodeLoader, at: () => T): Promise<T> {
  for (;;) {
    const seen = lookOnce(at)
    if (!(seen instanceof NotLoaded)) return seen
    await loader.load(seen)
  }
}
