import type { ItemReader, NewestView } from '../../../src/cp-engine/contract.ts'
import type { ChecksumKind } from '../../../src/format/pointer.ts'
import { lookNow } from '../fake-items.ts'

/** The newest image of whoever can say these. */
export function fakeNewest(image: {
  readonly cp: () => number
  readonly changes: () => number
  readonly sums: () => ChecksumKind
  readonly items: () => ItemReader
  readonly recordNow: NewestView['recordNow']
}): NewestView {
  return {
    get cp() {
      return image.cp()
    },
    get changes() {
      return image.changes()
    },
    get sums() {
      return image.sums()
    },
    readNow: (look) => lookNow(() => look(image.items())),
    recordNow: image.recordNow,
    recordPartNow: (pointer, start, end) => image.recordNow(pointer)?.subarray(start, end) ?? null,
  }
}
