/** Damage to the superblocks, and refusals of an open that no other finding explains. */
import { superblockAddress } from '../../../src/format/geometry.ts'
import { readU48, writeU48 } from '../../../src/lib/bytes.ts'
import { superblockLayout } from '../../../src/format/disk/superblock.ts'
import { everythingSurvives } from '../../simulated/crash-image.ts'
import { SimulatedDevice } from '../../simulated/simulated-device.ts'
import { allCopies, editSuperblock, setWord } from '../volume/later-program.ts'
import { type Edit, ManyRoots, unreadable } from './many-roots.ts'
import type { Plant } from './plant.ts'

export async function superblockPlants(): Promise<Plant[]> {
  const many = await ManyRoots.make()
  const newest = allCopies.filter(([slot]) => slot === many.newestSlot)
  const plants: Plant[] = []
  const add = (title: string, plant: Plant['plant'], expected: readonly string[]) =>
    plants.push({ title: `superblocks: ${title}`, plant, expected })
  const edited = (copies: typeof allCopies, edit: Edit) => async () => {
    const device = many.device()
    for (const copy of copies) await editSuperblock(device, copy, edit)
    return new SimulatedDevice({ image: device.image(everythingSurvives) })
  }
  const { at } = superblockLayout
  const flipped = (copies: typeof allCopies) => async () => {
    const device = many.device()
    for (const [slot, copy] of copies) device.flipBit(superblockAddress(slot, copy), 8 * 300)
    return device
  }

  for (const copy of allCopies) {
    const [slot, n] = copy
    const name = `copy ${n} of slot ${slot}`
    add(`${name} is damaged`, flipped([copy]), [
      `warning superblock-copy -: copy ${n} of superblock slot ${slot} cannot be read: an open mends it`,
    ])
    const age: Edit = (bytes) => writeU48(bytes, at.generation, readU48(bytes, at.generation) - 2)
    add(`${name} is older`, edited([copy], age), [
      `warning superblock-copy -: copy ${n} of superblock slot ${slot} is older than the other one: an open mends it`,
    ])
    add(`the device cannot read ${name}`, async () => many.device(unreadable(superblockAddress(slot, n))), [
      'error superblock-copy -: *',
    ])
    add(`${name} is of a later program`, edited([copy], setWord('superblock', 'incompat', 4)), [
      'error newer-format -: *',
    ])
    add(`${name} is of before there was a format`, edited([copy], setWord('superblock', 'format', 0)), [
      'error older-format -: *',
    ])
    add(`${name} may only be read here`, edited([copy], setWord('superblock', 'readOnlyCompat', 4)), [
      'warning newer-format -: *',
    ])
  }
  for (const slot of [0, 1])
    add(`both copies of slot ${slot} are damaged`, flipped(allCopies.filter(([of]) => of === slot)), [
      `error superblock-slot -: both copies of superblock slot ${slot} cannot be read`,
    ])
  add('all copies are damaged', flipped(allCopies), [
    'error superblock-slot -: both copies of superblock slot 0 cannot be read',
    'error superblock-slot -: both copies of superblock slot 1 cannot be read',
  ])
  add(
    'a going back was interrupted',
    edited(newest, (bytes) => (bytes[at.flags]! |= 2)),
    ['warning going-back -: a going back was interrupted: an open finishes it, without the lost cp'],
  )
  return plants
}
