/**
 * Random operations on a pair, with a catalog on each side: killed at any break of a pass, deleted, damaged, and closed.
 * Once a catalog has caught up, its files are a recursive listing of the CP that it names, and its changes lead from
 * every tree that it had before, as far back as it says, to the tree that it has.
 */
import { expect, test } from 'bun:test'
import { hasCode } from '../../../src/lib/errors.ts'
import { encodeUtf8 } from '../../../src/lib/bytes.ts'
import { VolumeFiles } from '../../../src/fs/file-system.ts'
import { parsePlainPath, type Path } from '../../../src/fs/paths.ts'
import type { BatchOperation } from '../../../src/fs/contract.ts'
import { temporaryFolders } from '../../cli/temporary-folder.ts'
import { Pair } from '../../replica/pair.ts'
import { damages, FollowedSide, type Tree } from './followed.ts'
import { type ChangeRow, replay } from './replay.ts'

const folder = temporaryFolders()
const names = ['a', 'b', 'c', 'é', 'ZZ', '%41']
const patienceMs = 1_000_000
const longMeta = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`name-${i}`, `${i}`.repeat(150)]))

class Run {
  readonly files: VolumeFiles
  readonly sides: { readonly primary: FollowedSide; readonly mirror: FollowedSide }
  private readonly past = new Map<FollowedSide, Map<number, Tree>>()

  private constructor(
    readonly pair: Pair,
    private readonly below: (limit: number) => number,
  ) {
    const { clock, engine, mirrorVolume } = pair
    this.files = new VolumeFiles(engine, clock)
    this.files.start()
    const side = (options: Pick<ConstructorParameters<typeof FollowedSide>[0], 'source' | 'device'>) =>
      new FollowedSide({ ...options, clock, folder: folder() })
    this.sides = {
      primary: side({ source: engine, device: () => pair.primaryDevice }),
      mirror: side({ source: mirrorVolume, device: () => pair.mirrorDevice }),
    }
  }

  static async create(seed: number): Promise<Run> {
    const pair = await Pair.create({ seed, mebibytes: 32 })
    const run = new Run(pair, (limit) => pair.random.below(limit))
    run.sides.primary.open()
    run.sides.mirror.open()
    await pair.join()
    return run
  }

  async operation(): Promise<void> {
    const { files, below } = this
    try {
      switch (below(12)) {
        case 0:
          await files.makeDirectory(this.path(), { mode: 0o700 + below(2) })
          return
        case 1:
          await files.deleteDirectory(this.path(), { recursive: below(3) > 0 })
          return
        case 2:
          await files.deleteFile(this.path())
          return
        case 3:
        case 4:
        case 5:
          await files.move(this.path(), this.path(), { overwrite: below(2) === 0 })
          return
        case 6:
          await files.putLink(this.path(), 'a/b', {})
          return
        case 7:
          await files.batch(Array.from({ length: 1 + below(6) }, () => this.step()))
          return
        case 8:
          await files.patchFile(this.path(), below(2) === 0 ? 'end' : below(50), encodeUtf8('patch'))
          return
        default:
          await files.putFile(
            this.path(),
            new Uint8Array(below(8) === 0 ? 70_000 : below(200)).fill(7),
            this.attributes(),
          )
      }
    } catch (error) {
      if (!isRefusal(error)) throw error
    }
  }

  /** Both sides have caught up, and are compared. */
  async compare(): Promise<void> {
    await this.pair.clock.until(() => this.pair.isEqual, patienceMs)
    for (const side of Object.values(this.sides)) {
      let isDone = false
      side.follower.caughtUp().then(
        () => (isDone = true),
        () => {},
      )
      expect(await this.pair.clock.until(() => isDone, patienceMs)).toBeTrue()
      const [state] = side.query<{ cp: number; changes_after: number; is_filling: number }>(
        'SELECT * FROM catalog',
      )
      expect(state!.cp).toBe(side.options.source.current().root.cp)
      expect(state!.is_filling).toBe(0)
      expect(side.follower.status()).toMatchObject({ cp: state!.cp, behindCps: 0, isFilling: false })
      expect(side.rows()).toEqual(await side.listed())
      this.compareChanges(side, state!.cp, state!.changes_after)
    }
  }

  async close(): Promise<void> {
    for (const side of Object.values(this.sides)) await side.close()
    this.pair.mirrors.close()
    await this.files.close()
  }

  private compareChanges(side: FollowedSide, cp: number, changesAfter: number): void {
    const now = side.tree()
    const past = this.past.get(side) ?? new Map<number, Tree>()
    this.past.set(side, past)
    for (const [from, tree] of past) {
      if (from < changesAfter) continue
      const rows = side.query<ChangeRow>(`SELECT * FROM changes WHERE cp > ${from} ORDER BY cp, id`)
      expect(sorted(replay(tree, rows))).toEqual(sorted(now))
    }
    past.set(cp, now)
  }

  private step(): BatchOperation {
    const { below } = this
    switch (below(4)) {
      case 0:
        return { op: 'mkdir', path: this.path() }
      case 1:
        return { op: 'delete', path: this.path(), recursive: true }
      case 2:
        return { op: 'move', from: this.path(), to: this.path(), overwrite: true }
      default:
        return { op: 'put', path: this.path(), content: new Uint8Array(below(50)), ...this.attributes() }
    }
  }

  private attributes() {
    return [{}, {}, { contentType: 'text/plain' }, { meta: { x: '"1"' } }, { meta: longMeta }][this.below(5)]!
  }

  private path(): Path {
    const depth = 1 + this.below(4)
    return parsePlainPath(Array.from({ length: depth }, () => names[this.below(names.length)]!).join('/'))
  }
}

const refusals = [
  'not-found',
  'exists',
  'not-a-directory',
  'is-a-directory',
  'is-a-link',
  'into-itself',
  'directory-not-empty',
  'forbidden',
  'bad-parameter',
] as const
const isRefusal = (error: unknown): boolean => refusals.some((code) => hasCode(error, code))

const sorted = (tree: Tree): string[] =>
  [...tree].map(([path, { kind, size }]) => `${path} ${kind} ${size}`).toSorted()

const seeds = Number(process.env['STILLPOINT_CATALOG_SEEDS'] ?? 4)
const first = Number(process.env['STILLPOINT_CATALOG_SEED'] ?? 1)

test.each(Array.from({ length: seeds }, (_, i) => first + i))(
  'the files are those of the CP that is named, seed %i',
  async (seed) => {
    const run = await Run.create(seed)
    const { pair } = run
    const below = (limit: number) => pair.random.below(limit)
    for (let round = 0; round < 12; round++) {
      for (let cps = 1 + below(4); cps > 0; cps--) {
        for (let i = below(12); i >= 0; i--) await run.operation()
        await pair.engine.requestCp('requested')
      }
      const side = below(2) === 0 ? run.sides.primary : run.sides.mirror
      switch (below(4)) {
        case 0: {
          // A kill in the middle of a pass, at any of its breaks.
          let breaks = 1 + below(20)
          let killed: Promise<void> | null = null
          side.onBreak = () => {
            if (--breaks === 0) killed = side.kill()
          }
          await pair.clock.advance(100)
          side.onBreak = () => {}
          await (killed ?? side.kill())
          break
        }
        case 1:
          await side.kill(damages[below(damages.length)]![1])
          break
        case 2:
          await side.close()
          side.open()
          break
        default:
      }
      await run.compare()
    }
    await run.close()
  },
  60_000,
)
