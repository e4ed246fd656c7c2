/**
 * The second reader and the check come to one verdict on damage: on flipped bits, and on fields that a right sum covers but
 * that no writer makes. Those find what docs/format.md does not say.
 */
import { expect, test } from 'bun:test'
import { hasErrors } from '../../src/cp-engine/check-findings.ts'
import { isZero } from '../../src/format/fields.ts'
import { blockBytes } from '../../src/format/geometry.ts'
import { MemoryBlocks } from '../../tools/reader/blocks.ts'
import { checkBlocks } from '../../tools/reader/check.ts'
import { sha256 } from '../../tools/reader/sums.ts'
import { Chance } from '../laboratory/chance.ts'
import { inspect } from '../laboratory/checks.ts'
import { MemoryDevice } from '../../src/blockdev/memory-device.ts'
import { bytesOf, kinds, specimens, volumesOf } from './volumes.ts'

const flipsEach = 42
const forgedEach = 25
const seed = process.env['STILLPOINT_SEED'] ?? 'verdicts'
const ring = { from: 1024, blocks: 256 }
const copies = [0, 256, 512, 768]
const offsets = { generation: 80, rootAddress: 120, root: 512, sum: 16, logSum: 112, logSumEnd: 144 }

type Verdict = 'error' | 'warning' | 'nothing'
const verdictOf = (findings: readonly { readonly severity: string }[]): Verdict =>
  findings.some(({ severity }) => severity === 'error')
    ? 'error'
    : findings.length > 0
      ? 'warning'
      : 'nothing'

async function deviceOf(bytes: Uint8Array): Promise<MemoryDevice> {
  const device = new MemoryDevice(bytes.length / blockBytes)
  await device.write([{ address: 0, bytes }])
  return device
}

/** Blocks with anything in them. */
function usedBlocks(bytes: Uint8Array): number[] {
  const used: number[] = []
  for (let address = 0; address * blockBytes < bytes.length; address++)
    if (!isZero(bytes, address * blockBytes, (address + 1) * blockBytes)) used.push(address)
  return used
}

/** Superblocks, the ring and the rest have their shares; heads are at the beginning of a block. */
function* flipsOf(bytes: Uint8Array, chance: Chance): Generator<{ address: number; bit: number }> {
  const used = usedBlocks(bytes)
  const superblocks = used.filter((address) => address < ring.from && address % 256 < 4)
  const logged = used.filter((address) => address >= ring.from && address < ring.from + ring.blocks)
  const shares = [used, used, superblocks, logged].filter((share) => share.length > 0)
  for (let i = 0; i < flipsEach; i++) {
    const address = chance.pick(chance.pick(shares))
    yield { address, bit: chance.below(chance.pick([8 * 160, 8 * 1024, 8 * blockBytes])) }
  }
}

test('with any bit flipped, reader and check say the same', async () => {
  const outcomes: Record<Verdict, number> = { error: 0, warning: 0, nothing: 0 }
  for (const [checksum, isPacked] of kinds)
    for (const [name, image] of specimens(await volumesOf(checksum, isPacked))) {
      const bytes = bytesOf(image)
      const device = await deviceOf(bytes)
      for (const { address, bit } of flipsOf(bytes, new Chance(`${seed} ${checksum} ${isPacked} ${name}`))) {
        const at = address * blockBytes + (bit >> 3)
        bytes[at]! ^= 1 << (bit & 7)
        const block = bytes.subarray(address * blockBytes, (address + 1) * blockBytes)
        await device.write([{ address, bytes: block }])
        const { findings } = await inspect(device)
        const found = checkBlocks(new MemoryBlocks(bytes), true)
        bytes[at]! ^= 1 << (bit & 7)
        await device.write([{ address, bytes: block }])
        const where = { seed, checksum, name, address, bit }
        if (verdictOf(found) !== verdictOf(findings))
          expect({ where, found }).toEqual({ where, found: [...findings] as never })
        expect(hasErrors(findings)).toBe(verdictOf(found) === 'error')
        outcomes[verdictOf(found)]++
      }
    }
  const count = kinds.length * 4 * flipsEach
  expect(outcomes.error + outcomes.warning + outcomes.nothing).toBe(count)
  for (const times of Object.values(outcomes)) expect(times).toBeGreaterThan(count / 20)
}, 60_000)

const u32 = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true)

/** The copies of the newest slot. */
function newestCopies(bytes: Uint8Array): readonly number[] {
  const generation = (copy: number) => u32(bytes, copy * blockBytes + offsets.generation)
  return generation(0) > generation(512) ? copies.slice(0, 2) : copies.slice(2)
}

/** Flips a bit of a field of the newest superblock, of the root in it and in its block, or of a log head, and sums again. */
function forge(bytes: Uint8Array, chance: Chance): string {
  const newest = newestCopies(bytes)
  const logged = usedBlocks(bytes).filter(
    (address) =>
      address >= ring.from && address < ring.from + ring.blocks && bytes[address * blockBytes] === 6,
  )
  const what = chance.pick(logged.length > 0 ? ['superblock', 'root', 'head'] : ['superblock', 'root'])
  const bit = 1 << chance.below(8)
  if (what === 'head') {
    const head = bytes.subarray(chance.pick(logged) * blockBytes)
    const offset = chance.below(offsets.logSum)
    head[offset]! ^= bit
    head.set(sha256(head.subarray(0, offsets.logSum)), offsets.logSum)
    return `head ${offset} ${bit}`
  }
  const inSuperblock = [
    chance.below(16),
    48 + chance.below(180),
    224 + chance.below(288),
    4608 + chance.below(11_776),
  ]
  const inRoot = [
    chance.below(128),
    128 + chance.below(240),
    352 + chance.below(310),
    chance.below(blockBytes),
  ]
  const offset = what === 'root' ? offsets.root + chance.pick(inRoot) : chance.pick(inSuperblock)
  const rootAddress = u32(bytes, newest[0]! * blockBytes + offsets.rootAddress)
  if (what === 'root') bytes[rootAddress * blockBytes + offset - offsets.root]! ^= bit
  for (const address of newest) {
    const copy = bytes.subarray(address * blockBytes, (address + 4) * blockBytes)
    copy[offset]! ^= bit
    copy.fill(0, offsets.sum, offsets.sum + 32)
    copy.set(sha256(copy), offsets.sum)
  }
  return `${what} ${offset} ${bit}`
}

test('with a bit flipped under a right sum, reader and check both find an error, or none', async () => {
  for (const [name, image] of specimens(await volumesOf('xxh3', true))) {
    const before = bytesOf(image)
    const chance = new Chance(`${seed} forged ${name}`)
    for (let i = 0; i < forgedEach; i++) {
      const bytes = before.slice()
      const what = forge(bytes, chance)
      const { findings } = await inspect(await deviceOf(bytes))
      const found = checkBlocks(new MemoryBlocks(bytes), true)
      if (hasErrors(findings) !== (verdictOf(found) === 'error'))
        expect({ seed, name, what, found }).toEqual({ seed, name, what, found: [...findings] as never })
    }
  }
}, 60_000)
