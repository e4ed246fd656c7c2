/**
 * Streams bytes that are in memory to a client that may be slow. The bytes have room from the beginning of the answer
 * until its client has taken the last of them, so clients that do not read take a bounded share of memory.
 *
 * - The permit is looked at before each piece: a token that is revoked or expires in the middle ends the connection.
 */
import type { AnswerRoom } from '../limits/resources.ts'
import type { Permit } from './permit.ts'

const pieceBytes = 64 * 1024

/** Null when the client has left while the room came. */
export async function streamBytes(
  bytes: Uint8Array,
  room: AnswerRoom,
  permit: Permit,
): Promise<ReadableStream<Uint8Array> | null> {
  const entered = (await room.enter(bytes.length)) ?? true
  if (!entered) {
    room.end()
    return null
  }
  const answer = { isOver: false }
  const finish = (): void => {
    if (answer.isOver) return
    answer.isOver = true
    room.letGo(bytes.length)
    room.end()
  }
  return new ReadableStream<Uint8Array>({
    type: 'direct',
    async pull(controller) {
      try {
        for (let at = 0; at < bytes.length && !answer.isOver; at += pieceBytes) {
          if (!permit.isCurrent) await permit.renew()
          const written: number | Promise<number> = controller.write(bytes.subarray(at, at + pieceBytes))
          if (typeof written !== 'number') await written
        }
        if (!answer.isOver) controller.close()
      } finally {
        finish()
      }
    },
    cancel: finish,
  })
}
