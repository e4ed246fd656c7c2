/** Small parts of the fake engine: its roots, and streams that remember what they added. */
import type { PreparedRecord, RecordStream, Tx } from '../../src/cp-engine/contract.ts'
import { noNode } from '../../src/format/pointer.ts'
import type { Root } from '../../src/format/root.ts'

type Told = Pick<Root, 'cp' | 'records' | 'counters' | 'committedAtMs' | 'sequence' | 'opening'>

export function fakeRoot(told: Told): Root {
  return {
    volumeUuid: new Uint8Array(16).fill(7),
    blockCount: 2_000_000,
    fileTree: { pointer: noNode, level: 0 },
    snapshotsTree: { pointer: noNode, level: 0 },
    liveMap: noNode,
    usedMap: noNode,
    epochs: [{ number: 0, id: new Uint8Array(8), firstCp: 1, rootHashBefore: new Uint8Array(32) }],
    previousHash: new Uint8Array(32),
    snapshotName: null,
    ...told,
  }
}

type StreamAdd = (
  change: (tx: Tx) => void,
  records: readonly PreparedRecord[],
  stream: FakeStream,
) => Promise<void>

export class FakeStream implements RecordStream {
  readonly changes = new Map<string, { key: Uint8Array; value: Uint8Array | null }>()
  constructor(private readonly doAdd: StreamAdd) {}
  add(change: (tx: Tx) => void, records: readonly PreparedRecord[]): Promise<void> {
    return this.doAdd(change, records, this)
  }
}
