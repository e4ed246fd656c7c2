/**
 * Streams a long answer piece by piece, as fast as the client reads.
 *
 * - A stream of type `direct` has sent or copied a piece when `write` returns, so the file's buffers can be used
 *   again; a default stream would queue the pieces.
 * - `write` gives a promise when the client does not keep up; waiting for that promise is the only back-pressure.
 * - A piece takes room from before it is read until the client has made way for the next one, so clients that do not
 *   read take a bounded share of memory.
 * - The permit is looked at before each piece: a token that is revoked or expires in the middle ends the connection.
 * - The first piece is read before the answer begins, so damage in that piece is still a clean error. Later damage
 *   cuts the connection, and the client sees a short body.
 */
import type { OpenFile } from '../../fs/contract.ts'
import { logger } from '../../lib/log.ts'
import type { Permit } from './permit.ts'
import type { AnswerRoom } from '../limits/resources.ts'

const log = logger('routes')

/**
 * The stream closes the file at the end, on damage, and when the client leaves. After a throw the caller has to close
 * the file.
 */
export async function streamFile(
  file: OpenFile,
  start: number,
  end: number,
  room: AnswerRoom,
  permit: Permit,
): Promise<ReadableStream<Uint8Array>> {
  const stream = file.stream(start, end)
  const answer = { isOver: false }
  let held = 0
  /** False when the client has left. */
  const enter = async (bytes: number): Promise<boolean> => {
    room.letGo(held)
    held = 0
    if (!((await room.enter(bytes)) ?? true)) return false
    // The client has left while the room came.
    if (answer.isOver) room.letGo(bytes)
    else held = bytes
    return !answer.isOver
  }
  let first: Uint8Array | null
  try {
    first = (await enter(stream.needs())) ? await stream.next() : null
  } catch (error) {
    stream.close()
    room.letGo(held)
    room.end()
    throw error
  }
  const finish = () => {
    if (answer.isOver) return
    answer.isOver = true
    stream.close()
    file.close()
    room.letGo(held)
    held = 0
    room.end()
  }
  return new ReadableStream<Uint8Array>({
    type: 'direct',
    async pull(controller) {
      try {
        let keepsUp = true
        for (let piece = first; piece && !answer.isOver; piece = await stream.next()) {
          if (!permit.isCurrent) await permit.renew()
          if (keepsUp && room.isRoomy) stream.readAhead()
          const written: number | Promise<number> = controller.write(piece)
          room.sent(piece.length)
          keepsUp = typeof written === 'number'
          if (!keepsUp) {
            stream.rest()
            await written
          }
          const bytes = stream.needs()
          if (bytes > 0 && !(await enter(bytes))) return
        }
        controller.close()
      } catch (error) {
        // A client that has left gets no error.
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
