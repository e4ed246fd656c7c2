/**
 * Blocks by address as a stack of sparse layers, so that a copy costs almost nothing.
 *
 * - A block that was stored is never changed in place; storing puts a new one into the top layer.
 * - Layers below the top are shared between copies and frozen.
 */
import { blockBytes } from '../../src/format/geometry.ts'

const depthMax = 12
const zeros = new Uint8Array(blockBytes)

type Layer = ReadonlyMap<number, Uint8Array>

export class BlockMap {
  private below: readonly Layer[]
  private top = new Map<number, Uint8Array>()

  constructor(below: readonly Layer[] = []) {
    this.below = below
  }

  /** Never written by the caller: it may be shared with any number of copies. */
  get(address: number): Uint8Array {
    const block = this.top.get(address)
    if (block) return block
    for (let i = this.below.length - 1; i >= 0; i--) {
      const found = this.below[i]!.get(address)
      if (found) return found
    }
    return zeros
  }

  /** Takes the block over: the caller does not change it any more. */
  set(address: number, block: Uint8Array): void {
    this.top.set(address, block)
  }

  copy(): BlockMap {
    if (this.top.size > 0) {
      this.below =
        this.below.length < depthMax ? [...this.below, this.top] : [merged([...this.below, this.top])]
      this.top = new Map()
    }
    return new BlockMap(this.below)
  }

  /** Every address that was ever stored, in ascending order. */
  addresses(): number[] {
    const all = new Set(this.top.keys())
    for (const layer of this.below) for (const address of layer.keys()) all.add(address)
    return [...all].toSorted((a, b) => a - b)
  }
}

function merged(layers: readonly Layer[]): Layer {
  const whole = new Map<number, Uint8Array>()
  for (const layer of layers) for (const [address, block] of layer) whole.set(address, block)
  return whole
}

/** Views of the same bytes. */
export function splitBlocks(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length / blockBytes }, (_, i) =>
    bytes.subarray(i * blockBytes, (i + 1) * blockBytes),
  )
}

export function overlaps(
  address: number,
  blocks: readonly Uint8Array[],
  other: { readonly address: number; readonly blocks: readonly Uint8Array[] },
): boolean {
  return address < other.address + other.blocks.length && other.address < address + blocks.length
}

/** A copy that differs in one bit; the bit is counted from the begin of the block, and around. */
export function flipped(block: Uint8Array, bit: number): Uint8Array {
  const copy = block.slice()
  const at = bit % (8 * blockBytes)
  copy[at >>> 3]! ^= 1 << (at & 7)
  return copy
}
