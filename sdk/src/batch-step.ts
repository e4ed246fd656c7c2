/** One operation of a batch: as the contract has it, or a put whose content is bytes and whose attributes are plain. */
import { fieldsOf } from './attributes.ts'
import { toBase64 } from './bytes.ts'
import type { BatchOperation } from './contract.ts'
import type { Conditions, SentAttributes } from './wishes.ts'

interface PutBytes extends SentAttributes, Conditions {
  readonly op: 'put'
  readonly path: string
  readonly bytes: Uint8Array
}

export type BatchStep = BatchOperation | PutBytes

/** JSON leaves out a member that is undefined. */
export function operationOf(step: BatchStep): unknown {
  if (!('bytes' in step)) return step
  const { op, path, bytes, ifMatch, ifNoneMatch } = step
  return { op, path, content: toBase64(bytes), ...fieldsOf(step), ifMatch, ifNoneMatch }
}
