/**
 * Streams the events of a server to one client, as server-sent events.
 *
 * - A stream is a number in the list of kept events: nothing is queued for a client but the piece that is on its way. A
 *   client that reads so slowly that the list has gone on without it is ended, and delays nobody.
 * - The permit is looked at before each piece: a token that is revoked or expires ends the stream.
 * - A comment comes when nothing else has come for `heartbeatMs`, so that both ends notice a connection that is gone.
 * - A stream that this side ends says why, in an event of the name `ended`.
 */
import { encodeUtf8 } from '../../lib/bytes.ts'
import { type Clock, toRfc3339 } from '../../lib/clock.ts'
import { hasCode } from '../../lib/errors.ts'
import type { EventSource, KeptEvent } from './event-source.ts'
import type { Permit } from './permit.ts'
import type { EventRoom } from '../limits/resources.ts'

const heartbeatMs = 15_000
/** Events of one piece. */
const pieceEventsMax = 64
/** Pause of a client between two connections, in milliseconds. */
const retryMs = 2_000

interface StreamParts {
  readonly clock: Pick<Clock, 'after'>
  readonly room: EventRoom
  readonly permit: Pick<Permit, 'isCurrent' | 'renew'>
}

type EndReason = 'slow' | 'stopping' | 'unauthorized' | 'forbidden'

/** `heard` is the CP that the client has heard of last; null begins with the next event. */
export function streamEvents(
  source: EventSource,
  heard: number | null,
  { clock, room, permit }: StreamParts,
): ReadableStream<Uint8Array> {
  const known = heard === null ? source.next : source.after(heard)
  let number = known ?? source.next
  let greeting: string | null = begun(source, known === null ? heard : null)
  let isOver = false
  let wake = (): void => {}
  let controller: ReadableStreamDefaultController<Uint8Array>
  const send = (text: string): void => controller.enqueue(encodeUtf8(text))

  const finish = (): void => {
    if (isOver) return
    isOver = true
    stopListening()
    wake()
    room.end()
  }
  const end = (reason: EndReason): void => {
    if (isOver) return
    finish()
    send(ended(reason))
    controller.close()
  }
  const stopListening = source.listen(() => {
    if (source.isClosed) end('stopping')
    else if (number < source.oldest) end('slow')
    else wake()
  })

  /** The text of the events that the client lacks; empty when there is none. */
  const take = (): string => {
    let text = ''
    for (const last = Math.min(source.next, number + pieceEventsMax); number < last; number++)
      text += textOf(source.get(number))
    return text
  }

  /** True when something has happened, false at the time of a heartbeat. */
  const somethingHappens = (): Promise<boolean> =>
    new Promise((resolve) => {
      const cancel = clock.after(heartbeatMs, () => resolve(false))
      wake = () => {
        cancel()
        resolve(true)
      }
    })

  return new ReadableStream<Uint8Array>({
    start(given) {
      controller = given
    },
    async pull() {
      if (source.isClosed) return end('stopping')
      let text = greeting ?? take()
      greeting = null
      if (text === '') {
        const isNews = await somethingHappens()
        wake = () => {}
        if (isOver) return
        text = isNews ? take() : ':\n\n'
      }
      if (!permit.isCurrent) {
        try {
          await permit.renew()
        } catch (error) {
          return end(hasCode(error, 'forbidden') ? 'forbidden' : 'unauthorized')
        }
      }
      if (!isOver) send(text)
    },
    cancel: finish,
  })
}

/** Tells a client where it is, so that one that hears nothing before its connection ends can resume, too. */
function begun({ at }: EventSource, missedAfter: number | null): string {
  const lost =
    missedAfter === null ? '' : `event: gap\ndata: ${JSON.stringify({ cp: at, after: missedAfter })}\n`
  return `retry: ${retryMs}\nid: ${at}\n${lost}\n`
}

const ended = (reason: EndReason): string => `event: ended\ndata: ${JSON.stringify({ reason })}\n\n`

function textOf({ event, at, cp, atMs, mirror, facts }: KeptEvent): string {
  const data = { cp, at: toRfc3339(atMs), ...(mirror === null ? {} : { mirror }), ...facts }
  return `id: ${at}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
