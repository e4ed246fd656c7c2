/**
 * The bodies whose senders have proved nothing yet: the messages of a handshake, and sealed bodies until their head is
 * known to be right. None of them is refused because others are there: in a crowd, the oldest body of the client that
 * has most leaves. So a short body, which comes at once, gets through, however many others hold half of theirs.
 */
import type { Clock } from '../../lib/clock.ts'
import { StillpointError } from '../../lib/errors.ts'

/** Time for a message of a handshake, or for the head of a sealed body, to come. */
export const strangerMsMax = 2000
export const strangersMax = 256

export interface Stranger {
  /** Resolves, with the reason, when the body is not waited for any more. */
  readonly over: Promise<StillpointError>
  /** The body is there, or has proved itself, or will not come. */
  leave(): void
}

interface Place {
  readonly client: string
  end(error: StillpointError): void
}

interface StrangersOptions {
  readonly clock: Clock
  /** Called for each body that leaves because of a crowd. */
  readonly onCrowd?: () => void
}

export class Strangers {
  /** In the order in which they came. */
  private readonly places = new Set<Place>()

  constructor(private readonly options: StrangersOptions) {}

  get size(): number {
    return this.places.size
  }

  enter(client: string): Stranger {
    const { clock, onCrowd } = this.options
    const { promise: over, resolve } = Promise.withResolvers<StillpointError>()
    const leave = () => {
      this.places.delete(place)
      cancel()
    }
    const place: Place = {
      client,
      end(error) {
        leave()
        resolve(error)
      },
    }
    const cancel = clock.after(strangerMsMax, () =>
      place.end(
        new StillpointError('bad-parameter', `the body did not come within ${strangerMsMax / 1000} seconds`),
      ),
    )
    this.places.add(place)
    if (this.places.size > strangersMax) {
      onCrowd?.()
      this.oldestOfGreediest().end(
        new StillpointError(
          'busy',
          `at most ${strangersMax} bodies of peers that have proved nothing at once`,
        ),
      )
    }
    return { over, leave }
  }

  private oldestOfGreediest(): Place {
    const byClient = Map.groupBy(this.places, ({ client }) => client)
    const [most] = [...byClient.values()].toSorted((a, b) => b.length - a.length)
    return most![0]!
  }
}
