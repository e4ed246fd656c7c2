/**
 * Reads the bytes of records that a view has shown. Bytes are verified; a length that differs from the item is
 * `corrupt`.
 */
import type { TreeView } from '../../cp-engine/contract.ts'
import { corrupt } from '../../format/fields.ts'
import { blockBytes } from '../../format/geometry.ts'
import { type RecordRef, unknownLength } from '../tree/records.ts'

/** Bytes of a file, and their offset in the file. */
interface Loaded {
  readonly offset: number
  readonly bytes: Uint8Array
}

export async function loadRecord(view: TreeView, ref: RecordRef): Promise<Uint8Array> {
  return checkLength(ref, await view.record(ref.pointer))
}

/**
 * Reads at least the bytes that the records have of [start, end) of the file. Neighbouring records are read by one
 * call. `buffer` is used when the records fit; after an error, a read may still be filling the buffer.
 */
export async function loadRecords(
  view: TreeView,
  refs: readonly RecordRef[],
  start: number,
  end: number,
  buffer: Uint8Array | null,
): Promise<readonly Loaded[]> {
  const bytes = refs.reduce((sum, { pointer }) => sum + pointer.blocks * blockBytes, 0)
  const isMostlyWanted = refs.length > 1 && end - start > bytes / 2
  const target = buffer ?? (isMostlyWanted ? new Uint8Array(bytes) : null)
  if (!target || target.length < bytes)
    return Promise.all(refs.map((ref) => loadRecordPart(view, ref, start, end)))
  let at = 0
  const runs = runsOf(refs).map((run) => {
    const length = run.reduce((sum, { pointer }) => sum + pointer.blocks * blockBytes, 0)
    const part = target.subarray(at, at + length)
    at += length
    return loadRun(view, run, part)
  })
  return runs.length === 1 ? runs[0]! : (await Promise.all(runs)).flat()
}

/** Groups records that are neighbours both in the file and on the device. */
function runsOf(refs: readonly RecordRef[]): RecordRef[][] {
  const runs: RecordRef[][] = []
  let next = -1
  for (const ref of refs) {
    if (ref.pointer.address === next) runs.at(-1)!.push(ref)
    else runs.push([ref])
    next = ref.pointer.address + ref.pointer.blocks
  }
  return runs
}

async function loadRun(view: TreeView, run: readonly RecordRef[], target: Uint8Array): Promise<Loaded[]> {
  const loaded = await view.recordRun(
    run.map(({ pointer }) => pointer),
    target,
  )
  return run.map((ref, i) => ({ offset: ref.offset, bytes: checkLength(ref, loaded[i]!) }))
}

async function loadRecordPart(view: TreeView, ref: RecordRef, start: number, end: number): Promise<Loaded> {
  const from = Math.max(0, start - ref.offset)
  const to = Math.min(ref.rawBytes, end - ref.offset)
  if ((from === 0 && to === ref.rawBytes) || ref.rawBytes === unknownLength || from >= to)
    return { offset: ref.offset, bytes: await loadRecord(view, ref) }
  const bytes = await view.recordPart(ref.pointer, from, to)
  if (bytes.length === to - from) return { offset: ref.offset + from, bytes }
  throw corrupt('record', 'length', `ends before ${to}, its item says ${ref.rawBytes}`)
}

function checkLength(ref: RecordRef, bytes: Uint8Array): Uint8Array {
  if (bytes.length === ref.rawBytes || ref.rawBytes === unknownLength) return bytes
  throw corrupt('record', 'length', `is ${bytes.length}, its item says ${ref.rawBytes}`)
}
