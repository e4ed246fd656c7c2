/**
 * The catalog of one machine, with its files, through all its processes. A file of SQLite stays as a kill leaves it, and
 * is damaged, deleted, or an older copy of itself now and then. Whatever a process finds and however long its passes take:
 *
 * - The rows are those of the CP that they name, also on a disk that excuses everything else.
 * - The changes lead to it from every CP at which this file was before, as far back as it says.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BlockDevice } from '../../src/blockdev/block-device.ts'
import type { CatalogState } from '../../src/catalog/files/file-tables.ts'
import type { FilePasses } from '../../src/catalog/files/follower.ts'
import type { RootSource } from '../../src/cp-engine/contract.ts'
import { copyCatalog, damages, removeCatalog, FollowedSide, type Tree } from '../catalog/files/followed.ts'
import { type ChangeRow, replay } from '../catalog/files/replay.ts'
import type { ModelTree } from '../fs/model-tree.ts'
import type { Chance } from './chance.ts'
import type { ProcessClock } from './event-loop.ts'
import type { Laboratory } from './laboratory.ts'
import { must } from './violation.ts'

/** CPs of one file that changes are replayed from. */
const pastMax = 8

/** Of a million reads of a pass, on a disk that may do that. */
const flippedReads = 20_000

/** A file is removed so long after it was opened, at most. */
const removedMsMax = 1000

interface Past {
  readonly cp: number
  readonly tree: Tree
}

interface Row {
  readonly path: string
  readonly kind: string
  readonly size: number
  readonly target: string | null
  readonly etag: string
  readonly cp: number | null
}

export class KeptFiles {
  private side: FollowedSide | null = null
  private readonly chance: Chance
  private readonly folder: string
  /** Of the file; a copy of each before is still there. */
  private number = 0
  private past: readonly Past[] = []
  private backup: { readonly path: string; readonly past: readonly Past[] } | null = null

  constructor(
    private readonly lab: Laboratory,
    private readonly name: string,
    private readonly isSound: boolean,
  ) {
    this.chance = lab.chance.of(`catalog of ${name}`)
    this.folder = join(lab.folder, name)
    if (this.isKept) mkdirSync(this.folder)
  }

  /** Many runs go without: a run with catalogs takes longer. */
  private get isKept(): boolean {
    return this.lab.profile.hasCatalogs
  }

  /** For a process that has just opened its volume. */
  open(clock: ProcessClock, source: RootSource, device: BlockDevice): void {
    const { chance } = this
    if (!this.isKept) return
    if (this.number > 0) this.disturb()
    const slownessMs = chance.pick([0, 0, 1, 10, 100])
    const side: FollowedSide = new FollowedSide(
      {
        source,
        device: () => (this.isSound ? device : flipping(device, chance)),
        clock,
        folder: this.folder,
        changes: { rowsMax: chance.pick([0, 7, 100_000, 100_000]), daysMax: 1000 },
        pause: () => clock.sleep(chance.below(slownessMs + 1)),
        observe: (passes) => this.observed(passes, () => this.side === side),
      },
      this.number,
    )
    this.side = side
    side.open()
    if (chance.below(4) === 0) clock.after(chance.below(removedMsMax), () => this.remove(side))
  }

  /** The process ends at this moment. */
  cut(): void {
    const { side } = this
    if (!side) return
    this.side = null
    side.cut()
    this.number++
  }

  spaceShort(): void {
    this.side?.follower.spaceShort()
  }

  /** All that was published until then is there, if nothing is wrong with the disk. */
  async finish(): Promise<void> {
    const { side } = this
    if (!side) return
    await side.follower.caughtUp()
    // A process that ends meanwhile has cut it.
    if (this.side !== side) return
    const newest = side.options.source.current().root.cp
    const { cp } = side.files.state()
    must(cp === newest, `the catalog of ${this.name} stays at cp ${cp}, behind ${newest}`)
    await this.close()
  }

  async close(): Promise<void> {
    const { side } = this
    if (!side) return
    this.side = null
    await side.close()
    this.number++
    copyCatalog(side.path, join(this.folder, `catalog-${this.number}.db`))
  }

  // --- What happens to the file ---

  /** Somebody deletes the file under the process. */
  private remove(side: FollowedSide): void {
    if (this.side !== side || !this.lab.isUnderWay) return
    removeCatalog(side.path)
    this.lab.note('catalogs removed while they were used')
  }

  private disturb(): void {
    const { chance } = this
    const path = join(this.folder, `catalog-${this.number}.db`)
    const what = chance.weighted({ nothing: 12, damage: 3, older: 2, copied: 3 })
    if (what === 'damage') {
      const [name, damage] = chance.pick(damages)
      damage(path)
      this.lab.note(`catalogs ${name}`)
    } else if (what === 'older' && this.backup !== null) {
      copyCatalog(this.backup.path, path)
      this.past = this.backup.past
      this.lab.note('catalogs of an older moment')
    } else if (what === 'copied') {
      this.backup = { path: join(this.folder, 'backup.db'), past: this.past }
      copyCatalog(path, this.backup.path)
    }
  }

  // --- What is checked ---

  private observed(passes: FilePasses, isAlive: () => boolean): FilePasses {
    const { lab } = this
    const look = async <T>(work: Promise<T>, check: (value: T) => void): Promise<T> => {
      try {
        const value = await work
        if (isAlive()) check(value)
        return value
      } catch (error) {
        if (isAlive()) lab.loop.fail(error)
        // The process is no more: nobody waits for its passes.
        return new Promise<never>(() => {})
      }
    }
    const pass = (name: string, work: Promise<Awaited<ReturnType<FilePasses['fill']>>>) =>
      look(work, ({ outcome, state }) => {
        lab.note(`catalog ${name} ${outcome}`)
        this.check(state, `after a ${name}, ${outcome}`)
      })
    return {
      state: () => look(passes.state(), (state) => this.check(state, 'as it was found')),
      follow: (base, target) => pass('follow', passes.follow(base, target)),
      fill: (target) => pass('fill', passes.fill(target)),
      cancel: () => passes.cancel(),
    }
  }

  private check({ cp, rootHash, changesAfter }: CatalogState, when: string): void {
    const { lab } = this
    const side = this.side!
    // A file that was removed is found at the next write.
    if (cp === null || !existsSync(side.path)) return
    const where = `the catalog of ${this.name}, cp ${cp}, ${when}`
    const known = lab.primary.known.get(rootHash!)
    must(known?.cp === cp, `${where}: names a root that the primary never had`)
    this.compare(side, known.tree, cp, where)
    const now = side.tree()
    for (const past of this.past) {
      if (past.cp < changesAfter!) continue
      const rows = side.query<ChangeRow>(`SELECT * FROM changes WHERE cp > ${past.cp} ORDER BY cp, id`)
      const [there, here] = [replay(past.tree, rows), now].map(textOf)
      must(
        there === here,
        () => `${where}: replayed from ${past.cp} there is ${there}; there should be ${here}`,
      )
      if (past.cp < cp) lab.note('catalog changes replayed')
    }
    this.past = [...this.past.filter((past) => past.cp < cp), { cp, tree: now }].slice(-pastMax)
    lab.note('catalogs checked')
  }

  private compare(side: FollowedSide, tree: ModelTree, cp: number, where: string): void {
    const rows = side.query<Row>('SELECT path, kind, size, target, etag, cp FROM files')
    const found = new Map(rows.map((row) => [row.path, row]))
    const expected = tree.list([], true).map(({ path, node }) => ({ path: path.join('/'), node }))
    must(
      rows.length === found.size &&
        expected.every(({ path }) => found.has(path)) &&
        found.size === expected.length,
      () =>
        `${where}: has ${[...found.keys()].join(', ')}; should have ${expected.map(({ path }) => path).join(', ')}`,
    )
    for (const { path, node } of expected) {
      const row = found.get(path)!
      const name = `${where}: ${path}`
      const size = node.kind === 'file' ? node.bytes.length : node.kind === 'link' ? node.target.length : 0
      const target = node.kind === 'link' ? node.target : null
      must(
        row.kind === node.kind && row.size === size && row.target === target,
        () => `${name}: is a ${row.kind} of ${row.size} bytes, should be a ${node.kind} of ${size}`,
      )
      must(row.cp === null || row.cp <= cp, () => `${name}: changed by cp ${row.cp}, which is later`)
      if (node.etag !== null) this.lab.history.match(node.etag, row.etag, name)
    }
  }
}

const flipping = (device: BlockDevice, chance: Chance): Pick<BlockDevice, 'blockCount' | 'readSync'> => ({
  blockCount: device.blockCount,
  readSync(address, target) {
    device.readSync(address, target)
    if (chance.happens(flippedReads)) target[chance.below(target.length)]! ^= 1 << chance.below(8)
  },
})

const textOf = (tree: Tree): string =>
  [...tree]
    .map(([path, { kind, size }]) => `${path} ${kind} ${size}`)
    .toSorted()
    .join(', ')
