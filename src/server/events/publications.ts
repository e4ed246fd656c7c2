/** Tells which consistency points were published, and which can be read no more. */
import type { RootSource } from '../../cp-engine/contract.ts'
import type { EventFeed } from './event-feed.ts'

/** Returns the function that ends the telling. */
export function tellPublications(
  source: Pick<RootSource, 'readable' | 'onPublished'>,
  feed: Pick<EventFeed, 'say'>,
): () => void {
  const readableCps = (): readonly number[] => source.readable().map(({ root }) => root.cp)
  let readable = readableCps()
  return source.onPublished(({ published: { root }, cause, blocksWritten, bytesWritten, coalesced }) => {
    const before = readable
    readable = readableCps()
    const facts = { cause, blocksWritten, bytesWritten, coalesced }
    feed.say({ event: 'published', cp: root.cp, mirror: null, facts })
    for (const cp of before)
      if (!readable.includes(cp)) feed.say({ event: 'pruned', cp, mirror: null, facts: {} })
  })
}
