/** Runs several operations as one: all are prepared first, then applied in order in one step, all or nothing. */
import type { Applied } from '../../cp-engine/contract.ts'
import type { EntryItem } from '../../format/items/items.ts'
import { blockBytes, recordBytesDefault } from '../../format/geometry.ts'
import { extraBytesMax } from '../../format/items/entry-extra.ts'
import { StillpointError } from '../../lib/errors.ts'
import { checkAttributes, etagOf } from '../tree/attributes.ts'
import { buffersOf, chunksOf } from './body.ts'
import { type Context, type Preparation, prepared } from './context.ts'
import { type BatchOperation, type BatchResult, batchBytesMax, batchOperationsMax } from '../contract.ts'
import { applyMakeDirectory, checkDirectory, directoryToMake } from './directory.ts'
import type { Edit } from '../tree/edit.ts'
import { applyMove } from './move.ts'
import { applyPut } from './put.ts'
import type { Piece } from '../tree/records.ts'
import { applyRemove } from './remove.ts'

type Apply = (edit: Edit) => BatchResult

export function batch(
  context: Context,
  operations: readonly BatchOperation[],
): Promise<Applied<readonly BatchResult[]>> {
  if (operations.length > batchOperationsMax)
    throw new StillpointError('too-large', `a batch has at most ${batchOperationsMax} operations`)
  const bytes = operations.reduce((sum, each) => sum + (each.op === 'put' ? each.content.length : 0), 0)
  if (bytes > batchBytesMax)
    throw new StillpointError('too-large', `a batch has at most ${batchBytesMax} bytes of content`)
  // Each operation may have an extra; contents are rounded up to blocks.
  const preparedBytes = bytes + operations.length * (blockBytes + extraBytesMax)
  return prepared(context, preparedBytes, async (preparation) => {
    const steps: Apply[] = []
    for (const [index, operation] of operations.entries()) {
      try {
        steps.push(await prepareStep(preparation, operation))
      } catch (error) {
        throw withIndex(error, index)
      }
    }
    return preparation.run((edit) => steps.map((step, index) => applyStep(edit, step, index)))
  })
}

function applyStep(edit: Edit, step: Apply, index: number): BatchResult {
  try {
    return step(edit)
  } catch (error) {
    throw withIndex(error, index)
  }
}

/** Any error that is no StillpointError is passed on unchanged: the engine may have thrown it for its own use. */
function withIndex(error: unknown, index: number): unknown {
  if (!(error instanceof StillpointError)) return error
  return new StillpointError(error.code, error.message, { ...error.help, index }, { cause: error })
}

async function prepareStep(preparation: Preparation, operation: BatchOperation): Promise<Apply> {
  switch (operation.op) {
    case 'put': {
      const { path, content: bytes } = operation
      const attributes = checkAttributes(operation)
      const extra = await preparation.extra(attributes)
      const pieces = await preparePut(preparation, bytes)
      const content = { pieces, upload: null, size: bytes.length }
      const put = { kind: 'file' as const, path, attributes, extra, content, conditions: operation }
      return (edit) => done(applyPut(edit, put))
    }
    case 'mkdir': {
      const attributes = checkDirectory(operation)
      const extra = await preparation.extra(attributes)
      const make = directoryToMake(operation.path, operation, attributes, extra)
      return (edit) => done(applyMakeDirectory(edit, make))
    }
    case 'delete': {
      const options = { ...operation, what: 'any' as const, recursive: operation.recursive ?? false }
      return (edit) => {
        applyRemove(edit, operation.path, options)
        return { status: 204, etag: null }
      }
    }
    case 'move': {
      const { from, to } = operation
      const options = { ...operation, overwrite: operation.overwrite ?? false }
      return (edit) => done(applyMove(edit, from, to, options))
    }
  }
}

async function preparePut(preparation: Preparation, bytes: Uint8Array): Promise<Piece[]> {
  const pieces: Piece[] = []
  let offset = 0
  // Content that does not fit one record in the log should become records that the log names.
  const span = bytes.length > recordBytesDefault ? 4 * recordBytesDefault : recordBytesDefault
  for await (const buffer of buffersOf(chunksOf(bytes), () => span)) {
    pieces.push(...(await preparation.pieces(buffer, offset)))
    offset += buffer.length
  }
  return pieces
}

function done({ created, item }: { readonly created: boolean; readonly item: EntryItem }): BatchResult {
  return { status: created ? 201 : 200, etag: etagOf(item.version) }
}
