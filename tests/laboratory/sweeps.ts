/** The whole of what the tests take samples of: every small workload, every bit, every byte of the stream. */
import { Chance } from './chance.ts'
import { type Way, cutRun } from './cut-stream.ts'
import { type SmallWorkload, crashEverywhere, nameOf, sampled, workloads } from './exhaustive.ts'
import { bitsPerBlock, makeSpecimens, mirrorFlipped, readFlipped } from './flips.ts'
import { makeSmallVolumes } from './small-volume.ts'

/** One step of a sweep: what it was, and how many cases it had, by what became of them. */
export interface SweepStep {
  readonly what: string
  readonly counts: Readonly<Record<string, number>>
}

export interface SweepRange {
  /** The first step, counted from 0, and how many. */
  readonly from: number
  readonly steps: number
}

/** Bits whose mirror is made as well: one in so many, since each takes a whole first copy. */
const mirroredStride = 61

export async function* exhaustiveSweep(
  length: 1 | 2 | 3,
  samples: number,
  { from, steps }: SweepRange,
): AsyncGenerator<SweepStep> {
  const volumes = await makeSmallVolumes()
  let at = 0
  for (const workload of chosen(length, samples)) {
    if (at >= from + steps) return
    if (at++ < from) continue
    const what = `${at - 1}: ${nameOf(workload)}`
    yield { what, counts: { images: await explained(what, () => crashEverywhere(volumes, workload)) } }
  }
}

function* chosen(length: 1 | 2 | 3, samples: number): Generator<SmallWorkload> {
  if (length !== 3) {
    yield* workloads(length)
    return
  }
  const chance = new Chance('exhaustive')
  for (let i = 0; i < samples; i++) yield sampled(3, chance)
}

/** A step is a block: of the primary, before and after its log is sealed, of its mirror, then of the primary once more with a fresh mirror for some bits. */
export async function* flipSweep({ from, steps }: SweepRange): AsyncGenerator<SweepStep> {
  const volumes = await makeSmallVolumes()
  const specimens = await makeSpecimens(volumes)
  const { primary } = specimens
  const all = [
    ...Object.entries(specimens).flatMap(([name, specimen]) =>
      specimen.blocks.map((block) => ({
        what: `${name}, block ${block}`,
        block,
        stride: 1,
        flip: (bit: number): Promise<string> => readFlipped(specimen, block, bit),
      })),
    ),
    ...primary.blocks.map((block) => ({
      what: `primary with a fresh mirror, block ${block}`,
      block,
      stride: mirroredStride,
      flip: (bit: number): Promise<string> => mirrorFlipped(volumes, primary, block, bit),
    })),
  ]
  for (const { what, block, stride, flip } of all.slice(from, from + steps)) {
    const counts: Record<string, number> = {}
    for (let bit = block % stride; bit < bitsPerBlock; bit += stride) {
      const outcome = await explained(`${what}, bit ${bit}`, () => flip(bit))
      counts[outcome] = (counts[outcome] ?? 0) + 1
    }
    yield { what, counts }
  }
}

/** A step is up to a thousand bytes. */
export async function* cutSweep({ from, steps }: SweepRange): AsyncGenerator<SweepStep> {
  const volumes = await makeSmallVolumes()
  const whole = await cutRun(volumes, 'frames', Number.POSITIVE_INFINITY)
  const all = (['answers', 'frames'] as const).flatMap((way: Way) =>
    Array.from({ length: Math.ceil(whole.bytes[way] / 1000) }, (_, i) => ({ way, first: 1000 * i })),
  )
  for (const { way, first } of all.slice(from, from + steps)) {
    const end = Math.min(first + 1000, whole.bytes[way])
    for (let at = first; at < end; at++)
      await explained(`${way} cut after ${at} bytes`, () => cutRun(volumes, way, at))
    yield { what: `${way} cut after ${first} to ${end - 1} bytes`, counts: { runs: end - first } }
  }
}

async function explained<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new Error(what, { cause: error })
  }
}
