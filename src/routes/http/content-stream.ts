/**
 * A long answer, piece by piece, as fast as the client reads.
 *
 * - A stream of type `direct` has every piece sent or copied when `write` returns, so the file's buffers are used again;
 *   a default stream would queue them. `write` gives a promise when the client does not keep up: waiting for it is all
 *   of the back-pressure.
 * - The first piece is read before the answer begins, so damage there is still a clean error; later damage cuts the
 *   connection, and the client sees a short body.
 */
import type { OpenFile } from '../../fs/contract.ts'
import { logger } from '../../lib/log.ts'

const log = logger('routes')

/** Closes the file at the end, on damage, and when the client leaves; not when this throws. */
export async function streamFile(
  file: OpenFile,
  start: number,
  end: number,
): Promise<ReadableStream<Uint8Array>> {
  const stream = file.stream(start, end)
  let first: Uint8Array | null
  try {
    first = await stream.next()
  } catch (error) {
    stream.close()
    throw error
  }
  const answer = { isOver: false }
  const finish = () => {
    if (answer.isOver) return
    answer.isOver = true
    stream.close()
    file.close()
  }
  return new ReadableStream<Uint8Array>({
    type: 'direct',
    async pull(controller) {
      try {
        let keepsUp = true
        for (let piece = first; piece && !answer.isOver; piece = await stream.next()) {
          if (keepsUp) stream.readAhead()
          const written: number | Promise<number> = controller.write(piece)
          keepsUp = typeof written === 'number'
          if (keepsUp) continue
          stream.rest()
          await written
        }
        controller.close()
      } catch (error) {
        // Whoever left is not told.
        if (answer.isOver) return
        log.warning('a stream was cut: {error}', { error })
        throw error
      } finally {
        finish()
      }
    },
    cancel: finish,
  })
}
