/** Takes items from a queue in several lanes at once, each with a tree of its own. */
interface Disposable {
  dispose(): void
}

/** A lane is made when it is needed. The first error ends all lanes, each behind the item that it is at. */
export async function inLanes<T, L extends Disposable>(
  items: readonly T[],
  lanes: number,
  makeLane: (lane: number) => L,
  work: (item: T, lane: L) => Promise<void>,
): Promise<void> {
  let next = 0
  const run = async (number: number): Promise<void> => {
    if (next >= items.length) return
    const lane = makeLane(number)
    try {
      while (next < items.length) await work(items[next++]!, lane)
    } catch (error) {
      // Nothing is left for the other lanes.
      next = items.length
      throw error
    } finally {
      lane.dispose()
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: lanes }, (_, number) => run(number)))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}
