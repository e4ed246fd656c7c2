/**
 * A process to which nobody speaks holds nothing: no bytes of a gate, no turn, no prepared record,
 * no reader. Whatever was refused before has given all of it back.
 */
import { must } from './violation.ts'
import type { PrimaryProcess } from './primary-machine.ts'

export function mustBeAtRest({ engine, files }: PrimaryProcess, where: string): void {
  const { preparing, turns } = files['context']
  const queue = engine['queue']
  const held = {
    'bytes in the gate of operations': preparing['heldBytes'],
    'callers at the gate of operations': preparing['waiting'].length,
    'turns of paths': turns.size,
    'prepared records': queue['prepared'].size,
    'prepared bytes': queue['preparedBytes'],
    'records on their way': queue['leaving'].size,
    'bytes on their way': queue.leavingRoom['heldBytes'],
    'callers that wait to send': queue.leavingRoom['waiting'].length,
    'dropped bytes': queue['droppedBytes'],
    'queued bytes': queue.bytes,
    'short readers': engine.volume.readers.count,
    'pins of readers': engine.volume['pins'].size,
  }
  const left = Object.entries(held).filter(([, count]) => count !== 0)
  must(
    left.length === 0,
    () => `${where}: ${left.map(([what, count]) => `${count} ${what}`).join(', ')} held`,
  )
}

/** Somebody still reads an old image, between two looks too. */
export const isHeldByReaders = ({ engine: { volume } }: PrimaryProcess): boolean =>
  volume.readers.count > 0 || volume['pins'].size > 0
