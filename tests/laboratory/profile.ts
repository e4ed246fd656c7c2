/** What a seed decides before anything runs: how large everything is, and how likely each fault. */
import type { Geometry } from '../../src/format/geometry.ts'
import { makeGeometry } from '../../src/format/geometry.ts'
import { type Age, someAge } from './aged-volume.ts'
import type { Chance } from './chance.ts'
import { type DiskFaults, noDiskFaults } from './disk.ts'
import type { Habits } from './file-operations.ts'
import { type Weather, fairWeather } from './network.ts'

/** What may be expected of a disk. */
export type DiskKind = 'sound' | 'rotting' | 'lying'

export interface DiskProfile {
  readonly kind: DiskKind
  readonly faults: DiskFaults
  readonly latencyMsMax: number
  /** A device that goes on after an error: what was tried again succeeds, and nothing is what it was. */
  readonly goesOn: boolean
}

/** Of a thousand looks of the trouble maker, each some milliseconds after the last. */
export interface Troubles {
  readonly powerLoss: number
  readonly fuse: number
  readonly kill: number
  readonly cleanStop: number
  readonly stall: number
  readonly clockJump: number
  readonly partition: number
  readonly weather: number
  readonly cut: number
  readonly rot: number
  readonly pin: number
}

export interface Profile {
  readonly geometry: Geometry
  readonly primaryDisk: DiskProfile
  readonly mirrorDisks: readonly DiskProfile[]
  /** Blocks that each mirror's disk has room for, until everything is to come together. */
  readonly mirrorRooms: readonly number[]
  /** The mirrors' hosts promise no space and take none back. */
  readonly arePlain: boolean
  readonly troubles: Troubles
  /** Feature bits of a later program, which nobody here knows: they stay in every root and superblock. */
  readonly compatibleBits: number
  /** Of 100 openings: those that say how far the volume may grow. */
  readonly raises: number
  /** Of 100 openings: those by which the operator gives up later consistency points, which begins an epoch. */
  readonly newEpochs: number
  readonly age: Age
  /** Every machine has a catalog. */
  readonly hasCatalogs: boolean
  /** Roots that the readers of one machine keep at once. */
  readonly pinsMax: number
  /** Of 100 openings: those that lose their power too. */
  readonly crashesInRecovery: number
  readonly clients: number
  readonly habits: Habits
  readonly thinkMsMax: number
  readonly cpIntervalMs: number
  readonly queueBytesMax: number
  /** Records are stored in zstd where that saves blocks. */
  readonly isPacked: boolean
  readonly nodeCacheBytesMax: number
  readonly safetyMs: number
  /** Of 100 operations. */
  readonly levels: {
    readonly buffered: number
    readonly logged: number
    readonly committed: number
    readonly mirrored: number
  }
}

const mebibyte = 2 ** 20
/** Readers of one machine, where there are not more of them than roots that it may keep. */
export const pinsFew = 4
const mostlyLogged = { buffered: 5, logged: 85, committed: 5, mirrored: 5 }

export function someProfile(chance: Chance): Profile {
  const kinds = chance.weighted({ allSound: 14, primary: 3, mirror: 3 })
  const unsound = (): DiskKind => chance.pick(['rotting', 'lying'])
  const primaryDisk = someDisk(chance, kinds === 'primary' ? unsound() : 'sound')
  const mirrorDisks = [0, 1].map((i) => someDisk(chance, kinds === 'mirror' && i === 0 ? unsound() : 'sound'))
  // Half of all runs leave out any one kind of trouble, so that each is also seen without the others.
  const rate = (often: number): number => (chance.below(2) === 0 ? 0 : 1 + chance.below(often))
  const fills = chance.below(6) === 0
  const logs = chance.below(5) === 0
  const pinsMax = chance.pick([pinsFew, pinsFew, 20])
  const mebibytes = fills ? chance.pick([7, 7, 8]) : chance.pick([7, 7, 8, 10, 16, 32, 48])
  return {
    geometry: makeGeometry(mebibytes * mebibyte, chance.pick([1, 2]) * mebibyte, mebibyte),
    primaryDisk,
    mirrorDisks,
    mirrorRooms: [0, 1].map(() =>
      chance.below(3) === 0 ? chance.between(200, mebibytes * 200) : Number.POSITIVE_INFINITY,
    ),
    arePlain: chance.below(8) === 0,
    troubles: {
      powerLoss: rate(20),
      fuse: rate(40),
      kill: rate(20),
      cleanStop: rate(10),
      stall: rate(30),
      clockJump: rate(20),
      partition: rate(40),
      weather: rate(20),
      cut: rate(40),
      rot: kinds === 'allSound' ? 0 : chance.below(40),
      pin: rate(60),
    },
    crashesInRecovery: chance.pick([0, 10, 30, 60]),
    clients: chance.between(1, 4),
    habits: {
      largeMax: chance.pick([20_000, 150_000, 150_000, 400_000]),
      hasGiants: mebibytes > 30 && chance.below(2) === 0,
      deletes: chance.pick([4, 8, 16]),
      fills,
      logs,
    },
    thinkMsMax: chance.pick([2, 4, 10, 30]),
    cpIntervalMs: chance.pick([5, 20, 100, 1000]),
    queueBytesMax: chance.pick([256 * 1024, 2 * mebibyte, 64 * mebibyte]),
    nodeCacheBytesMax: chance.pick([2, 4]) * mebibyte,
    safetyMs: logs ? 3000 : chance.pick([800, 1500, 3000]),
    levels: chance.pick(
      logs
        ? [mostlyLogged]
        : [
            { buffered: 40, logged: 40, committed: 10, mirrored: 10 },
            mostlyLogged,
            { buffered: 60, logged: 5, committed: 25, mirrored: 10 },
            { buffered: 0, logged: 30, committed: 20, mirrored: 50 },
          ],
    ),
    isPacked: chance.below(3) === 0,
    raises: chance.pick([0, 0, 15, 40]),
    compatibleBits: chance.pick([0, 0, 1, 0x80000001]),
    newEpochs: chance.pick([0, 0, 20, 100]),
    age: someAge(chance.of('age')),
    hasCatalogs: chance.of('catalogs').below(3) === 0,
    pinsMax,
  }
}

function someDisk(chance: Chance, kind: DiskKind): DiskProfile {
  const rate = (often: number): number => (chance.below(2) === 0 ? 0 : chance.below(often))
  const sound = {
    ...noDiskFaults,
    readError: rate(2000),
    writeError: rate(4000),
    syncError: rate(8000),
    syncDrops: rate(40_000),
    growError: rate(100_000),
  }
  const rotting = { ...sound, readFlipped: rate(4000), readStale: rate(4000), writeFlipped: rate(8000) }
  const lying = { ...rotting, writeLost: rate(20_000), writeMisdirected: rate(20_000) }
  return {
    kind,
    faults: { sound, rotting, lying }[kind],
    latencyMsMax: chance.pick([0, 0, 1, 4]),
    goesOn: chance.below(3) === 0,
  }
}

export function someWeather(chance: Chance): Weather {
  const rate = () => chance.pick([0, 0, 5000, 50_000, 200_000])
  return {
    ...fairWeather,
    lost: rate(),
    doubled: rate(),
    delayed: rate(),
    damaged: rate(),
    replayed: rate(),
    cut: chance.pick([0, 0, 20_000, 100_000]),
    latencyMsMax: chance.below(5),
    delayMsMax: chance.pick([10, 100, 400]),
  }
}
