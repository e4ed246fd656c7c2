/**
 * The queue holds write commands between the moment when a record gets its address and the moment when the device has
 * the record.
 *
 * - A command is prepared first (an address and bytes, part of no CP), then queued in the open CP, then leaves: with
 *   its CP, or earlier when the command is large.
 * - The bytes of a command never change.
 * - A queued command whose record is replaced before the command left is dropped. This is the coalescing: the blocks
 *   of the command are never written.
 * - A reader of a queued record gets the buffer of the command. A dropped buffer stays findable for as long as a
 *   reader may still hold the pointer.
 * - Prepared and open commands together are bounded by `bytesMax`; commands of the CP that is being written may have
 *   as much again.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { assert } from '../../lib/assert.ts'
import { Bell } from '../../lib/gates/bell.ts'
import { ByteGate } from '../../lib/gates/byte-gate.ts'
import type { BlockPointer } from '../../format/pointer.ts'
import type { WriteCommand } from '../contract.ts'
import type { Readers } from '../space/readers.ts'

/**
 * Loan of bytes that their owner wants back. `isKept` becomes true once a reader or an observer may have the bytes.
 */
export interface Loan {
  isKept: boolean
}

/**
 * A command learns which run its record replaces only when the operation of the record is applied. No observer has
 * seen the command by then.
 */
type Queued = Omit<WriteCommand, 'replaces'> & { replaces?: BlockRun | null }

/** Limit, in bytes, for commands that are on their way to the device before their CP. */
const leavingBytesMax = 24 * 2 ** 20

export class WriteQueue {
  private readonly prepared = new Map<number, Queued>()
  private open = new Map<number, Queued>()
  private writing = new Map<number, Queued>()
  /** Commands that have left and are not on the device yet, by address. */
  private readonly leaving = new Map<number, { readonly command: WriteCommand; readonly loan: Loan }>()
  private readonly dropped = new Map<number, WriteCommand>()
  private openBytes = 0
  private preparedBytes = 0
  private droppedBytes = 0
  private dropCount = 0
  private readonly changed = new Bell()
  /** Gate for the bytes on their way to the device: enough to keep the device busy, and no more memory than that. */
  readonly leavingRoom = new ByteGate(leavingBytesMax)

  constructor(
    readonly bytesMax: number,
    private readonly readers: Readers,
  ) {}

  /**
   * Bytes that are prepared, queued in the open CP, on their way to the device before their CP, or dropped and still
   * kept for readers.
   */
  get bytes(): number {
    return this.openBytes
  }
  get isEmpty(): boolean {
    return this.open.size === 0
  }

  hasRoom(bytes: number): boolean {
    return this.openBytes === 0 || this.openBytes + bytes <= this.bytesMax
  }

  /**
   * True when no CP would make room: the callers that prepared all these bytes may be waiting for the rest of their
   * operations. Dropped bytes come back when their readers end, at a time that the queue cannot know.
   */
  get isOnlyPrepared(): boolean {
    return this.openBytes === this.preparedBytes + this.droppedBytes
  }

  /** Resolves when a command has made room, or when the engine wakes all callers to look again. */
  change(): Promise<void> {
    return this.changed.next()
  }

  wake(): void {
    this.changed.ring()
  }

  prepare(command: WriteCommand): void {
    assert(!this.prepared.has(command.address), 'a prepared address is handed out once')
    this.prepared.set(command.address, command)
    this.preparedBytes += command.bytes.length
    this.openBytes += command.bytes.length
  }

  findPrepared(address: number): WriteCommand | null {
    return this.prepared.get(address) ?? null
  }

  discard(address: number): void {
    const command = this.takePrepared(address)
    this.shrink(command.bytes.length)
  }

  enqueue(address: number): WriteCommand {
    const command = this.takePrepared(address)
    this.open.set(address, command)
    return command
  }

  /** The run that a command of the open CP replaces; null without such a run or command. */
  replacedBy(address: number): BlockRun | null {
    return this.open.get(address)?.replaces ?? null
  }

  /** Notes the replaced run in a command that has not left. */
  setReplaced(address: number, run: BlockRun): void {
    const command = this.open.get(address)
    if (command) command.replaces = run
  }

  /**
   * Takes a queued command of the open CP out before the command has left. False when there is no such command, or
   * when readers keep so many dropped bytes that no CP would make room; the command then leaves with its CP.
   */
  drop(address: number, released: () => void): boolean {
    const command = this.open.get(address)
    if (!command || this.droppedBytes > this.bytesMax / 4) return false
    this.open.delete(address)
    this.dropped.set(address, command)
    this.droppedBytes += command.bytes.length
    this.dropCount++
    this.readers.afterCurrent(() => {
      this.dropped.delete(address)
      this.droppedBytes -= command.bytes.length
      this.shrink(command.bytes.length)
      released()
    })
    return true
  }

  /** Lets a prepared command leave before any CP. The buffer of the command stays findable until `hasLeft`. */
  leaveEarly(address: number, loan: Loan = { isKept: false }): WriteCommand {
    const command = this.takePrepared(address)
    this.leaving.set(address, { command, loan })
    this.leavingRoom.hold(command.bytes.length)
    return command
  }

  /** Called when the device has the commands at these addresses. */
  hasLeft(addresses: readonly number[]): void {
    let bytes = 0
    for (const address of addresses) {
      const left = this.leaving.get(address)
      assert(left, `block ${address} is leaving`)
      this.leaving.delete(address)
      bytes += left.command.bytes.length
    }
    this.shrink(bytes)
    this.leavingRoom.letGo(bytes)
  }

  /**
   * Turns the open commands into the commands of the CP that is being written. The answer has them in address order,
   * and the number of commands that were dropped.
   */
  seal(): { commands: WriteCommand[]; coalesced: number } {
    assert(this.writing.size === 0, 'only one CP is written at a time')
    this.writing = this.open
    this.open = new Map()
    const commands = [...this.writing.values()].sort((a, b) => a.address - b.address)
    for (const command of commands) this.openBytes -= command.bytes.length
    const coalesced = this.dropCount
    this.dropCount = 0
    this.wake()
    return { commands, coalesced }
  }

  /** Called when the device has everything of the CP that is being written. */
  written(): void {
    this.writing = new Map()
    this.wake()
  }

  /** The bytes of a record that may not be on the device yet; null when the queue does not have the record. */
  find(pointer: BlockPointer): Uint8Array | null {
    const { address } = pointer
    const queued = this.open.get(address) ?? this.writing.get(address)
    if (queued) return queued.bytes
    const left = this.leaving.get(address)
    if (left) left.loan.isKept = true
    return (left?.command ?? this.dropped.get(address))?.bytes ?? null
  }

  private takePrepared(address: number): Queued {
    const command = this.prepared.get(address)
    assert(command, `block ${address} is prepared`)
    this.prepared.delete(address)
    this.preparedBytes -= command.bytes.length
    return command
  }

  private shrink(bytes: number): void {
    this.openBytes -= bytes
    assert(this.openBytes >= 0, 'the queue counts its bytes')
    this.wake()
  }
}
