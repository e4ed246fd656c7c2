/**
 * A primary under members, holds, pins and readers that come and go, with restarts: no block is written that a root
 * uses which a superblock copy on the device, a hold, a pin or a reader names (I1). Once everything is quiet, what no
 * slot uses is writable (I5). The oracle sits below the engine, on the device.
 */
import { describe, expect, test, setDefaultTimeout } from 'bun:test'
import { toHex } from '../../../src/lib/bytes.ts'
import { sha256 } from '../../../src/lib/checksum.ts'
import { formatUuid } from '../../../src/lib/random.ts'
import { MemoryDevice } from '../../../src/blockdev/memory-device.ts'
import { membersMax, rootsHeldMax, rootsPerMemberMax } from '../../../src/format/geometry.ts'
import type { PublishedRoot, TreeView } from '../../../src/cp-engine/contract.ts'
import { checkVolume } from '../../../src/cp-engine/check.ts'
import type { CpEngine } from '../../../src/cp-engine/cp-engine.ts'
import { EngineVolume } from '../../../src/cp-engine/primary-volume.ts'
import { WatchedDevice } from '../watched-device.ts'
import { Workload, expectModel, keyOf, newPrimary, open } from '../workload.ts'

setDefaultTimeout(60_000)

const members = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'] as const
const nameOf = ({ hash }: PublishedRoot) => toHex(hash)

class Run {
  readonly device = new WatchedDevice(6)
  readonly workload: Workload
  engine!: CpEngine
  volume!: EngineVolume
  pins: { root: PublishedRoot; release(): void }[] = []
  views: { root: PublishedRoot; view: TreeView }[] = []
  /** By member, the roots (by hash) that must stay until it reports again. */
  readonly held = new Map<string, Set<string>>(members.map((uuid) => [uuid, new Set()]))
  private cp: Promise<unknown> = Promise.resolve()

  constructor(readonly seed: number) {
    this.workload = new Workload(seed, 40)
    this.device.protect = () => [
      ...[...this.pins, ...this.views].map(({ root }) => nameOf(root)),
      ...[...this.held.values()].flatMap((hashes) => [...hashes]),
    ]
  }

  async begin(): Promise<void> {
    await newPrimary(this.device, this.seed, 6)
    await this.device.readSuperblocks()
    await this.openEngine(0)
    for (const uuid of members) await this.volume.addMember({ uuid, url: 'http://mirror' })
  }

  async openEngine(n: number): Promise<void> {
    this.engine = await open(this.device, this.seed * 100 + n)
    this.volume = new EngineVolume(this.engine)
    this.workload.watch(this.engine)
  }

  async step(): Promise<void> {
    const { engine, workload } = this
    const action = workload.below(20)
    if (action < 7) await workload.step(engine)
    else if (action < 11) this.cp = Promise.all([this.cp, engine.requestCp('requested')])
    else if (action === 11) await this.cp
    else if (action === 12) await engine.writeSuperblock()
    else if (action === 13) this.report()
    else if (action === 14 && this.pins.length < 3) {
      const root = this.any()
      const pin = engine.pin(root)
      this.pins.push({ root, release: () => pin.release() })
    } else if (action === 15) this.take(this.pins)?.release()
    else if (action === 16 && this.views.length < 3) {
      const root = this.any()
      this.views.push({ root, view: engine.view(root) })
    } else if (action === 17) {
      const reader = this.take(this.views)
      if (reader) await expectModel(reader.view, workload.history.get(reader.root.root.sequence)!)
      reader?.view.release()
    } else if (action === 18) await this.readHeld()
    else if (workload.below(6) === 0) await this.reopen()
  }

  private take<T>(from: T[]): T | undefined {
    return from.splice(this.workload.below(from.length), 1)[0]
  }

  private any(): PublishedRoot {
    const roots = this.engine.readable()
    return roots[this.workload.below(roots.length)]!
  }

  /** A mirror says what it retains: some of what it held, and perhaps what it was offered now. */
  private report(): void {
    const uuid = members[this.workload.below(2)]!
    const roots = this.engine.readable().filter(() => this.workload.below(3) === 0)
    this.volume.holds.set(uuid, roots)
    this.held.set(uuid, new Set(roots.map(nameOf)))
  }

  /** A held root is whole: what the mirror lacks of anything is computed from it. */
  private async readHeld(): Promise<void> {
    for (const uuid of members)
      for (const root of this.volume.holds.of(uuid)) {
        const view = this.engine.view(root)
        await expectModel(view, this.workload.history.get(root.root.sequence)!)
        view.release()
      }
  }

  /** As after a crash between two operations: nothing of this process is written any more. */
  private async reopen(): Promise<void> {
    await this.cp
    if (this.workload.below(2) === 0) await this.engine.close()
    else await this.engine.requestCp('shutdown')
    this.pins = []
    this.views = []
    const { holds, root } = await this.device.newest()
    for (const uuid of members) {
      const listed = holds.filter((hold) => formatUuid(hold.memberUuid) === uuid)
      this.held.set(
        uuid,
        new Set([...listed.map((hold) => toHex(hold.root.sum)), toHex(sha256(root!.bytes))]),
      )
    }
    await this.openEngine(this.workload.below(100))
    for (const uuid of members) {
      const held = this.volume.holds.of(uuid).map(nameOf)
      for (const name of this.held.get(uuid)!) expect(held).toContain(name)
    }
  }

  async end(): Promise<void> {
    await this.cp
    const { engine } = this
    for (const { release } of this.pins.splice(0)) release()
    for (const { view } of this.views.splice(0)) view.release()
    for (const uuid of members) {
      this.held.set(uuid, new Set())
      await this.volume.removeMember(uuid)
    }
    await engine.requestCp('requested')
    for (let i = 0; i < 2; i++) await engine.writeSuperblock()
    const { writable, used, pending } = engine.space()
    expect(pending).toBe(0)
    expect(writable + used).toBe(this.device.blockCount - 16 - engine.volume.geometry.logBlocks)
    expect(engine.readable()).toHaveLength(1)
    expect((await checkVolume(this.device)).findings).toEqual([])
  }
}

describe('retained roots', () => {
  test('members, holds, pins, readers and restarts', async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const run = new Run(seed)
      await run.begin()
      for (let step = 0; step < 400; step++)
        try {
          await run.step()
        } catch (error) {
          throw new Error(`seed ${seed}, step ${step}`, { cause: error })
        }
      await run.end()
      expect(run.device.writes).toBeGreaterThan(200)
    }
  })

  test('what a superblock lists is kept from before it is written', async () => {
    // A hold on a root that nothing else retains goes while the slot that lists it is being written.
    const run = new Run(1)
    await run.begin()
    const { engine, volume, workload } = run
    await workload.step(engine)
    await engine.requestCp('requested')
    const root = engine.current()
    const pin = engine.pin(root)
    while (engine.current().root.cp < root.root.cp + 3) {
      await workload.step(engine)
      await engine.requestCp('requested')
    }
    expect(engine.volume.retention.reasonsOf(root)).toEqual(['pin'])
    volume.holds.set(members[0], [root])
    const writing = engine.writeSuperblock()
    await Promise.resolve()
    await Promise.resolve()
    volume.holds.set(members[0], [])
    pin.release()
    await writing
    expect(engine.isPoisoned).toBe(false)
    expect(engine.volume.retention.reasonsOf(root)).toHaveLength(1)
    await run.end()
  })

  test('mirrors that stay away for many restarts keep their base, and their holds still fit a superblock', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1, 6)
    let engine = await open(device, 1)
    const uuids = Array.from({ length: membersMax }, (_, i) => `00000000-0000-4000-8000-00000000000${i}`)
    for (const uuid of uuids) await new EngineVolume(engine).addMember({ uuid, url: 'http://mirror' })
    const base = engine.current()
    for (const uuid of uuids) new EngineVolume(engine).holds.set(uuid, [base])
    for (let n = 0; n < 30; n++) {
      await engine.run((tx) => tx.put(keyOf(n), Uint8Array.of(0)))
      await engine.close()
      engine = await open(device, n)
      for (const uuid of uuids) {
        const held = new EngineVolume(engine).holds.of(uuid).map(nameOf)
        expect(held.length).toBeLessThanOrEqual(rootsPerMemberMax)
        expect(held).toContain(nameOf(base))
        expect(held).toContain(nameOf(engine.current()))
      }
    }
    expect((await checkVolume(device)).findings).toEqual([])
  })

  test('as much as a mirror may hold is kept through restarts: also what was offered to it last', async () => {
    const device = new MemoryDevice()
    await newPrimary(device, 1, 6)
    let engine = await open(device, 1)
    const [uuid] = members
    await new EngineVolume(engine).addMember({ uuid, url: 'http://mirror' })
    const held: PublishedRoot[] = []
    for (let n = 0; n < rootsHeldMax; n++) {
      await engine.run((tx) => tx.put(keyOf(n), Uint8Array.of(0)))
      await engine.requestCp('requested')
      held.push(engine.current())
      new EngineVolume(engine).holds.set(uuid, held)
    }
    for (let n = 0; n < 6; n++) {
      await engine.run((tx) => tx.put(keyOf(100 + n), Uint8Array.of(0)))
      await engine.close()
      engine = await open(device, n)
      const now = new EngineVolume(engine).holds.of(uuid).map(nameOf)
      for (const name of held.map(nameOf)) expect(now).toContain(name)
    }
    expect((await checkVolume(device)).findings).toEqual([])
  })
})
