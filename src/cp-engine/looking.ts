import { NotLoaded } from './node-cache.ts'
import type { NodeLoader } from './node-loader.ts'

/**
 * Runs a synchronous look at a tree; whenever a node is missing, loads it and runs the look again from the start, so
 * that its last run saw one instant.
 */
export async function lookWith<T>(loader: NodeLoader, look: () => T): Promise<T> {
  for (;;) {
    try {
      return look()
    } catch (error) {
      if (!(error instanceof NotLoaded)) throw error
      await loader.load(error)
    }
  }
}
