/**
 * The intake makes records with an address out of raw bytes: the intake cuts, sums, allocates, and lets large records
 * leave at once.
 *
 * - A record that left before any operation used the record lies in blocks that nothing references. So a crash or a
 *   discard costs nothing; after a discard the blocks rest until the CP that was open then has been published (see
 *   OpenCp.spend).
 */
import type { BlockRun } from '../../lib/block-run.ts'
import { assert } from '../../lib/assert.ts'
import type { BlockDevice } from '../../blockdev/block-device.ts'
import { blockBytes, inlineBytesMax, recordBytesMax } from '../../format/geometry.ts'
import type { BlockPointer, RecordSums } from '../../format/pointer.ts'
import type { Allocator } from '../space/allocator.ts'
import type { PrepareOptions, PreparedRecord, WriteCommand } from '../contract.ts'
import type { OpenCp } from '../space/open-cp.ts'
import { type Payload, asTheyCame, blocksOf } from './payloads.ts'
import { encodeRecord } from './records.ts'
import type { Loan, WriteQueue } from './write-queue.ts'

interface IntakeContext {
  readonly device: BlockDevice
  readonly allocator: Allocator
  readonly queue: WriteQueue
  readonly sums: RecordSums
  openCp(): OpenCp
  /** Drops cached content of the addresses, which are given to something new. */
  forget(address: number, blocks: number): void
  /** True when an observer has kept the bytes. */
  leaving(cp: number, commands: readonly WriteCommand[]): boolean
  failed(error: unknown): void
}

export class RecordIntake {
  /** Addresses of prepared records whose bytes have already gone to the device. */
  private readonly leftEarly = new Set<number>()
  /** Writes that have begun and not ended, by address. */
  private readonly writes = new Map<number, Promise<void>>()

  constructor(private readonly context: IntakeContext) {}

  /**
   * Prepares records; `payloads` are all bytes of `raw` that are stored. The caller has made sure that there is space
   * for the raw bytes unpacked: when no free run is long enough for the payloads, the intake cuts the raw bytes in
   * halves.
   */
  prepare(
    raw: Uint8Array,
    { leavesEarly = raw.length > inlineBytesMax, recordBytes = raw.length, onWritten }: PrepareOptions = {},
    payloads: readonly Payload[] = asTheyCame(raw, recordBytes),
  ): PreparedRecord[] {
    assert(raw.length > 0 && raw.length <= recordBytesMax, 'a record has 1 to recordBytesMax bytes')
    assert(leavesEarly || !onWritten, 'only what leaves early is waited for')
    const records: PreparedRecord[] = []
    this.place(payloads, raw, 0, recordBytes, records)
    if (records.length === 0) onWritten?.(true)
    else if (leavesEarly) this.leave(records, onWritten)
    return records
  }

  /** Called when the operation that uses the record is being applied to the open CP. */
  use({ pointer }: PreparedRecord): void {
    this.context.openCp().born(pointer)
    if (!this.leftEarly.delete(pointer.address)) this.context.queue.enqueue(pointer.address)
  }

  discard({ pointer }: PreparedRecord): void {
    if (this.leftEarly.delete(pointer.address)) return this.context.openCp().spend(pointer)
    this.context.queue.discard(pointer.address)
    this.context.allocator.giveBack(pointer)
  }

  /** Frees a record that no item names any more. */
  free(run: BlockRun): void {
    const { allocator, queue } = this.context
    const openCp = this.context.openCp()
    const isOurs = openCp.unbear(run)
    if (!isOurs) return openCp.free(run)
    if (!queue.drop(run.address, () => allocator.giveBack(run))) openCp.spend(run)
  }

  hasLeft({ pointer }: PreparedRecord): boolean {
    return this.leftEarly.has(pointer.address)
  }

  /** The payload of a prepared record that has not left, without the zeros that fill its blocks. */
  payloadOf({ pointer }: PreparedRecord): Uint8Array {
    const command = this.context.queue.findPrepared(pointer.address)
    assert(command, `the record at ${pointer.address} is prepared`)
    const { bytes } = command
    return bytes.length === pointer.payloadBytes ? bytes : bytes.subarray(0, pointer.payloadBytes)
  }

  /** Makes sure that the record leaves before its CP. */
  leaveNow(record: PreparedRecord): void {
    if (!this.hasLeft(record)) this.leave([record])
  }

  /** Resolves when all writes of records that have left have ended. */
  inFlight(): Promise<unknown> {
    const all = Promise.all(this.writes.values())
    // The seal asks for the writes and the CP awaits them later; the engine has heard of a failure by then.
    all.catch(() => {})
    return all
  }

  /** Resolves when the device has the records that have left; the promise says nothing about a sync. */
  written(records: readonly { readonly pointer: BlockPointer }[]): Promise<unknown> {
    const running = records.map(({ pointer }) => this.writes.get(pointer.address) ?? Promise.resolve())
    return Promise.all(running)
  }

  /** Gives the payloads of `raw` their addresses. `raw` lies at `offset` of the bytes that the caller has given. */
  private place(
    payloads: readonly Payload[],
    raw: Uint8Array,
    offset: number,
    recordBytes: number,
    records: PreparedRecord[],
  ): void {
    if (payloads.length === 0) return
    const { allocator, queue, sums } = this.context
    let blocks = 0
    for (const { bytes } of payloads) blocks += blocksOf(bytes.length)
    let address = allocator.take('record', blocks)
    if (address === null) {
      const whole = blocksOf(raw.length)
      assert(whole > 1, 'space was made sure of')
      const half = 2 ** (Math.ceil(Math.log2(whole)) - 1) * blockBytes
      for (const [at, part] of [
        [0, raw.subarray(0, half)],
        [half, raw.subarray(half)],
      ] as const)
        this.place(asTheyCame(part, recordBytes), part, offset + at, recordBytes, records)
      return
    }
    this.context.forget(address, blocks)
    for (const payload of payloads) {
      const { pointer, command } = encodeRecord(payload, address, sums)
      queue.prepare(command)
      records.push({ pointer, offset: offset + payload.offset, length: payload.length })
      address += pointer.blocks
    }
  }

  private leave(records: readonly PreparedRecord[], onWritten?: (isFree: boolean) => void): void {
    const { queue, device } = this.context
    const loan: Loan = { isKept: false }
    const addresses = records.map(({ pointer }) => pointer.address).sort((a, b) => a - b)
    const commands = addresses.map((address) => queue.leaveEarly(address, loan))
    for (const address of addresses) this.leftEarly.add(address)
    if (this.context.leaving(this.context.openCp().cp, commands)) loan.isKept = true
    const ended = (isWritten: boolean) => {
      for (const address of addresses) this.writes.delete(address)
      onWritten?.(isWritten && !loan.isKept)
    }
    const write = device.write(commands).then(
      () => {
        queue.hasLeft(addresses)
        ended(true)
      },
      (error: unknown) => {
        ended(false)
        throw error
      },
    )
    // A caller that waits for the write hears of the failure as well.
    write.catch((error: unknown) => this.context.failed(error))
    for (const address of addresses) this.writes.set(address, write)
  }
}
