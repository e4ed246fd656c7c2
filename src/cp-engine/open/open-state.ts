/**
 * The open side of a primary: the open tree, the blocks that the open CP has given out, the counters and the last
 * sequence number. Only `apply` changes this state, synchronously; `seal` hands everything over to the CP and begins
 * the next CP.
 */
import { assert } from '../../lib/assert.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import type { RecordSums } from '../../format/pointer.ts'
import type { Allocator } from '../space/allocator.ts'
import type { PreparedRecord, WriteCommand } from '../contract.ts'
import { OpenCp } from '../space/open-cp.ts'
import type { Change } from './operation.ts'
import type { Replacement } from './pointer-change.ts'
import { RecordIntake } from '../records/record-intake.ts'
import type { SealedTree } from '../tree/sealed-tree.ts'
import { OpenTree } from '../tree/tree.ts'
import type { Volume } from '../volume/volume.ts'
import type { WriteQueue } from '../records/write-queue.ts'

interface OpenStateParts {
  readonly volume: Volume
  readonly device: BlockDevice
  readonly allocator: Allocator
  readonly queue: WriteQueue
  readonly sums: RecordSums
  readonly firstCp: number
  leaving(cp: number, commands: readonly WriteCommand[]): boolean
  failed(error: unknown): void
}

export interface SealedState {
  readonly blocks: OpenCp
  readonly tree: SealedTree
  readonly commands: readonly WriteCommand[]
  readonly coalesced: number
  readonly writesBefore: Promise<unknown>
  readonly counters: readonly number[]
  readonly sequence: number
}

export class OpenState {
  readonly intake: RecordIntake
  readonly tree: OpenTree
  blocks: OpenCp
  counters: readonly number[]
  sequence: number

  constructor(private readonly parts: OpenStateParts) {
    const { volume } = parts
    const { root } = volume.current()
    this.blocks = new OpenCp(parts.firstCp)
    this.counters = root.counters
    this.sequence = root.sequence
    this.intake = new RecordIntake({
      device: parts.device,
      allocator: parts.allocator,
      queue: parts.queue,
      sums: parts.sums,
      openCp: () => this.blocks,
      forget: (address, blocks) => this.forget(address, blocks),
      leaving: (cp, commands) => parts.leaving(cp, commands),
      failed: (error) => parts.failed(error),
    })
    this.tree = new OpenTree(
      volume.nodes,
      root.fileTree,
      () => this.allocateNode(),
      (address, bornHere) => this.freeNode(address, bornHere),
    )
  }

  get cp(): number {
    return this.blocks.cp
  }
  get isDirty(): boolean {
    return this.blocks.isDirty
  }

  /**
   * Applies a change. The change cannot fail half-way: its nodes are loaded, and the caller has made sure of space
   * and of room in the log.
   */
  apply(change: Change, use: (record: PreparedRecord) => void = (record) => this.intake.use(record)): void {
    const hints = this.hintsOf(change)
    for (const pointer of change.freed) this.intake.free(pointer)
    for (const record of change.used) use(record)
    for (const { address, was } of hints) this.parts.queue.setReplaced(address, was)
    for (const { key, value } of change.items)
      if (value) this.tree.put(key, value)
      else this.tree.delete(key)
    this.counters = change.counters
    this.sequence = change.sequence
    this.blocks.isDirty = true
    this.parts.volume.nodes.trim()
  }

  seal(): SealedState {
    const { commands, coalesced } = this.parts.queue.seal()
    const sealed: SealedState = {
      blocks: this.blocks,
      tree: this.tree.seal(),
      commands,
      coalesced,
      writesBefore: this.intake.inFlight(),
      counters: this.counters,
      sequence: this.sequence,
    }
    this.blocks = new OpenCp(sealed.blocks.cp + 1)
    return sealed
  }

  /** Drops cached nodes of the addresses, which are given to something new. */
  forget(address: number, blocks: number): void {
    for (let i = 0; i < blocks; i++) this.parts.volume.nodes.forget(address + i)
  }

  /**
   * A record that was replaced before it left reached no mirror: the hint names the run that this record replaced.
   */
  private hintsOf({ replaced }: Change): readonly Replacement[] {
    if (replaced.length === 0) return replaced
    const { queue } = this.parts
    return replaced.map(({ address, was }) => ({ address, was: queue.replacedBy(was.address) ?? was }))
  }

  private allocateNode(): number {
    const address = this.parts.allocator.take('node', 1)
    assert(address !== null, 'nodes are reserved before an operation is applied')
    this.blocks.born({ address, blocks: 1 })
    return address
  }

  private freeNode(address: number, bornHere: boolean): void {
    const run = { address, blocks: 1 }
    if (!bornHere) return this.blocks.free(run)
    assert(this.blocks.unbear(run), `node ${address} was born in the open CP`)
    this.parts.allocator.giveBack(run)
  }
}
