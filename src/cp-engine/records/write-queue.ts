/**
 * Write commands between the moment a record gets its address and the moment the device has it.
 *
 * A command is prepared (an address and bytes, part of no CP), then queued in the open CP, then leaves: with its CP, or
 * earlier when it is large. Its bytes never change. A queued command whose record is replaced before it left is
 * dropped: that is the coalescing, and its blocks were never written. Readers of a queued record get the buffer, and a
 * dropped buffer stays findable for as long as a reader may still hold the pointer.
 *
 * Bounded: prepared and open commands together by `bytesMax`, those of the CP being written by as much again.
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { assert } from '../../lib/assert.ts'
import { Bell } from '../../lib/bell.ts'
import { ByteGate } from '../../lib/byte-gate.ts'
import type { BlockPointer } from '../../format/pointer.ts'
import type { WriteCommand } from '../contract.ts'
import type { Readers } from '../space/readers.ts'

/** Of bytes that somebody wants back: kept, once a reader may have them. */
export interface Loan {
  isKept: boolean
}

/** What it replaces is known only when its operation is applied; nobody else has seen it by then. */
type Queued = Omit<WriteCommand, 'replaces'> & { replaces?: BlockRun | null }

/** On their way to the device before their CP. */
const leavingBytesMax = 24 * 2 ** 20

export class WriteQueue {
  private readonly prepared = new Map<number, Queued>()
  private open = new Map<number, Queued>()
  private writing = new Map<number, Queued>()
  /** Left already, not yet on the device. */
  private readonly leaving = new Map<number, { readonly command: WriteCommand; readonly loan: Loan }>()
  private readonly dropped = new Map<number, WriteCommand>()
  private openBytes = 0
  private preparedBytes = 0
  private droppedBytes = 0
  private dropCount = 0
  private readonly changed = new Bell()
  /** Of the way to the device: enough to keep the device busy, and no more memory than that. */
  readonly leavingRoom = new ByteGate(leavingBytesMax)

  constructor(
    readonly bytesMax: number,
    private readonly readers: Readers,
  ) {}

  /** Bytes that are prepared, queued in the open CP, or on their way to the device from it. */
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
   * No CP would make room: those who prepared all this may be waiting for the rest of their operation. What readers keep
   * of dropped commands comes back with them, and nobody knows when.
   */
  get isOnlyPrepared(): boolean {
    return this.openBytes === this.preparedBytes + this.droppedBytes
  }

  /** Resolves when something has made room, or the engine has woken everybody to look again. */
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

  /** What a command of the open CP says that it replaces. */
  replacedBy(address: number): BlockRun | null {
    return this.open.get(address)?.replaces ?? null
  }

  /** Says so to a command that has not left. */
  setReplaced(address: number, run: BlockRun): void {
    const command = this.open.get(address)
    if (command) command.replaces = run
  }

  /**
   * Takes a queued command of the open CP out before it left; false when there is none, or when readers keep so much of
   * what was dropped that no CP would make room: then it leaves with its CP.
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

  /** A prepared command leaves before any CP: its buffer stays findable until it `hasLeft`. */
  leaveEarly(address: number, loan: Loan = { isKept: false }): WriteCommand {
    const command = this.takePrepared(address)
    this.leaving.set(address, { command, loan })
    this.leavingRoom.hold(command.bytes.length)
    return command
  }

  /** The device has them. */
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

  /** The open commands become those of the CP being written: in address order, with how many were dropped. */
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

  /** The device has everything of the CP being written. */
  written(): void {
    this.writing = new Map()
    this.wake()
  }

  /** The bytes of a record that may not be on the device yet. */
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
