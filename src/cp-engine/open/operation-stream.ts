/**
 * Changes that a stream of records has put under a hidden object and that no published CP has yet. The operation that
 * names the object lists these changes in its log record, because the hidden steps themselves are not in the log.
 */
import { assert } from '../../lib/assert.ts'
import type { PreparedRecord, RecordStream, Tx } from '../contract.ts'
import type { Change } from './operation.ts'

export interface Added {
  readonly items: Change['items']
  readonly records: readonly PreparedRecord[]
}

export class OperationStream implements RecordStream {
  private steps: { readonly cp: number; readonly change: Change }[] = []

  constructor(
    readonly add: (change: (tx: Tx) => void, records: readonly PreparedRecord[]) => Promise<void>,
  ) {}

  static of(stream: RecordStream): OperationStream {
    assert(stream instanceof OperationStream, 'a stream comes from the engine')
    return stream
  }

  added(cp: number, change: Change, publishedCp: number): void {
    this.forget(publishedCp)
    this.steps.push({ cp, change })
  }

  /** Changes that no published CP has, in the order in which they were added: for the same key, later steps win. */
  unpublished(publishedCp: number): Added {
    this.forget(publishedCp)
    return {
      items: this.steps.flatMap(({ change }) => change.items),
      records: this.steps.flatMap(({ change }) => change.used),
    }
  }

  private forget(publishedCp: number): void {
    // The oldest steps come first: usually no step has been published since the last call.
    if ((this.steps[0]?.cp ?? Infinity) > publishedCp) return
    this.steps = this.steps.filter(({ cp }) => cp > publishedCp)
  }
}
