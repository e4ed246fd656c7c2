/**
 * A long answer, piece by piece, as fast as the client reads: the default stream pulls (one of type `direct` would
 * ignore back-pressure). The first piece is read before the answer begins, so damage there is still a clean error;
 * later damage cuts the connection, and the client sees a short body.
 */
import type { OpenFile } from '../fs/contract.ts'
import { logger } from '../lib/log.ts'

const log = logger('routes')

/** Closes the file at the end, on damage, and when the client leaves; not when this throws. */
export async function streamFile(
  file: OpenFile,
  start: number,
  end: number,
): Promise<ReadableStream<Uint8Array>> {
  const pieces = file.stream(start, end)
  let next = await pieces.next()
  let finished = false
  const finish = () => {
    if (finished) return
    finished = true
    file.close()
  }
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        if (next.done) {
          finish()
          controller.close()
          return
        }
        controller.enqueue(next.value)
        next = await pieces.next()
        if (next.done && !finished) {
          finish()
          controller.close()
        }
      } catch (error) {
        finish()
        log.warning('a stream was cut: {error}', { error })
        controller.error(error)
      }
    },
    async cancel() {
      try {
        await pieces.return(undefined)
      } finally {
        finish()
      }
    },
  })
}
