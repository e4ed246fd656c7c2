/**
 * A random workload over the engine alone: keys with records of random sizes, against a plain map, with what every CP
 * contains remembered at its seal. The crash tests open whatever is left of it and compare.
 */
import { expect } from 'bun:test'
import { concatBytes, encodeUtf8, readU32, writeU32 } from '../../src/lib/bytes.ts'
import { hasCode } from '../../src/lib/errors.ts'
import { seededRandom } from '../../src/lib/random.ts'
import type { BlockDevice } from '../../src/blockdev/block-device.ts'
import { makeGeometry, pointersPerValueMax } from '../../src/format/geometry.ts'
import { valueBodyOffset, valueHead, valuePointers } from '../../src/format/pointer.ts'
import type {
  Applied,
  DurabilityLevel,
  Item,
  PreparedRecord,
  TreeView,
} from '../../src/cp-engine/contract.ts'
import type { CpEngine } from '../../src/cp-engine/cp-engine.ts'
import { createPrimary } from '../../src/cp-engine/create-volume.ts'
import { openPrimary } from '../../src/cp-engine/open-primary.ts'
import type { OpenPrimaryOptions } from '../../src/cp-engine/open-primary.ts'
import { scribbleFreed } from '../noticing/scribbled.ts'
import { stillClock } from '../simulated/clock.ts'
import { SimulatedDevice } from '../simulated/simulated-device.ts'
import { engineLimits } from '../engine-limits.ts'

export const smallGeometry = (mebibytes = 8) => makeGeometry(mebibytes * 2 ** 20, 2 ** 20, 2 ** 20)

export const keyOf = (n: number): Uint8Array => encodeUtf8(`key ${String(n).padStart(5, '0')}`)
const allKeys = [encodeUtf8('key '), encodeUtf8('key:')] as const

/** Key number → seed of the content. */
export type Model = ReadonlyMap<number, number>

const contents = new Map<number, Uint8Array>()

export function contentOf(seed: number): Uint8Array {
  let content = contents.get(seed)
  if (!content) {
    const random = seededRandom(seed)
    content = random.bytes(1 + random.below(random.below(4) === 0 ? 20_000 : 5_000))
    if (contents.size > 5_000) contents.clear()
    contents.set(seed, content)
  }
  return content
}

export async function newPrimary(device: BlockDevice, seed: number, mebibytes?: number): Promise<void> {
  const random = seededRandom(seed)
  await createPrimary(device, {
    clock: stillClock,
    random,
    geometry: smallGeometry(mebibytes),
    recordChecksum: 'xxh3',
  })
}

export async function open(
  device: BlockDevice,
  seed: number,
  options: Partial<OpenPrimaryOptions> = {},
): Promise<CpEngine> {
  const random = seededRandom(seed)
  const engine = await openPrimary(device, {
    ...engineLimits,
    clock: stillClock,
    random,
    nodeCacheBytesMax: 2 ** 20,
    ...options,
  })
  if (device instanceof SimulatedDevice) scribbleFreed(engine, device)
  return engine
}

export class Workload {
  private readonly random: ReturnType<typeof seededRandom>
  readonly model = new Map<number, number>()
  /** By cp: what it contains, as it was sealed. */
  readonly sealed = new Map<number, Model>()
  /** By sequence number: what there is after that operation. */
  readonly history = new Map<number, Model>()
  /** The last operation that was acknowledged as durable. */
  acknowledged = 0

  constructor(
    readonly seed: number,
    private readonly keys = 60,
  ) {
    this.random = seededRandom(seed)
  }

  below = (limit: number): number => this.random.below(limit)

  watch(engine: CpEngine): void {
    const { cp, sequence } = engine.current().root
    this.sealed.set(cp, new Map(this.model))
    this.history.set(sequence, new Map(this.model))
    this.acknowledged = sequence
    engine.observe({
      sealed: (next) => void this.sealed.set(next, new Map(this.model)),
      leaving: () => false,
      published: () => {},
    })
  }

  /** One operation: put, delete, or several keys at once. False when there was no room for it. */
  async step(engine: CpEngine, durability: DurabilityLevel = 'buffered'): Promise<boolean> {
    const changes = this.below(8) === 0 ? 1 + this.below(4) : 1
    const plan: { key: number; seed: number | null }[] = []
    for (let i = 0; i < changes; i++)
      plan.push({ key: this.below(this.keys), seed: this.below(4) === 0 ? null : this.below(2 ** 30) })
    const prepared: PreparedRecord[][] = []
    let applied: Applied<unknown>
    try {
      for (const { seed } of plan) {
        const early = this.below(16) === 0
        prepared.push(
          seed === null ? [] : await engine.prepare(contentOf(seed), 'write', { leavesEarly: early }),
        )
      }
    } catch (error) {
      engine.discard(prepared.flat())
      if (hasCode(error, 'disk-full')) return false
      throw error
    }
    try {
      applied = await engine.run(
        (tx) => {
          for (const [i, { key, seed }] of plan.entries()) {
            if (seed === null) tx.delete(keyOf(key))
            else {
              const records = prepared[i]!.slice(0, pointersPerValueMax)
              tx.put(
                keyOf(key),
                valueOf(
                  seed,
                  records.map((record) => tx.use(record)),
                ),
              )
            }
          }
        },
        { records: prepared.flat(), floor: plan.every(({ seed }) => seed === null) ? 'delete' : 'write' },
      )
    } catch (error) {
      if (hasCode(error, 'disk-full')) return false
      throw error
    }
    for (const { key, seed } of plan)
      if (seed === null) this.model.delete(key)
      else this.model.set(key, seed)
    this.history.set(applied.sequence, new Map(this.model))
    await engine.reach(applied, durability)
    if (durability !== 'buffered') this.acknowledged = Math.max(this.acknowledged, applied.sequence)
    return true
  }
}

/** One record of its own, under the key of that number. */
export async function putRecord(engine: CpEngine, n: number, seed: number): Promise<Applied<unknown>> {
  const records = await engine.prepare(contentOf(seed))
  return engine.run(
    (tx) =>
      tx.put(
        keyOf(n),
        valueOf(
          seed,
          records.map((record) => tx.use(record)),
        ),
      ),
    { records },
  )
}

function valueOf(seed: number, pointers: Parameters<typeof valueHead>[0]): Uint8Array {
  const tail = new Uint8Array(4)
  writeU32(tail, 0, seed)
  return concatBytes(valueHead(pointers, 'xxh3'), tail)
}

export const itemsOf = (view: TreeView): Promise<Item[]> =>
  view.read((items) => items.scan(allKeys[0], allKeys[1], 100_000))

/** Everything in the view is exactly the model, bytes included. */
export async function expectModel(view: TreeView, model: Model): Promise<void> {
  const items = await itemsOf(view)
  const seen = new Map<number, number>()
  for (const { key, value } of items) {
    const seed = readU32(value, valueBodyOffset(value, 'xxh3'))
    const n = Number(Buffer.from(key).toString().slice(4))
    seen.set(n, seed)
    const whole = contentOf(seed)
    let at = 0
    for (const pointer of valuePointers(value, 'xxh3')!) {
      const bytes = await view.record(pointer)
      if (Buffer.compare(bytes, whole.subarray(at, at + bytes.length)) !== 0)
        throw new Error(`key ${n} has wrong bytes`)
      at += bytes.length
    }
  }
  expect([...seen].sort(([a], [b]) => a - b)).toEqual([...model].sort(([a], [b]) => a - b))
}
