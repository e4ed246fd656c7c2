/** The primary's side of PrimaryVolume, for the replica floor: members, holds, differences and raw blocks. */
import { assert } from '../lib/assert.ts'
import { encodeUtf8 } from '../lib/bytes.ts'
import { formatUuid, parseUuid } from '../lib/random.ts'
import { StillpointError } from '../lib/errors.ts'
import {
  blockBytes,
  memberUrlBytesMax,
  membersMax,
  recordBlocksMax,
  rootsPerMemberMax,
} from '../format/geometry.ts'
import type * as contract from './contract.ts'
import type { CpEngine } from './cp-engine.ts'
import { heldBlocks } from './volume/held-blocks.ts'
import type { Run } from './space/space-map.ts'

export class EngineVolume implements contract.PrimaryVolume {
  readonly volumeUuid: string
  readonly holds: contract.Holds

  constructor(private readonly engine: CpEngine) {
    const { volume } = engine
    this.volumeUuid = formatUuid(volume.superblock.volumeUuid)
    this.holds = {
      set: (uuid, roots) => {
        assert(roots.length <= rootsPerMemberMax, 'a member holds only so many roots')
        volume.setHolds(uuid, roots)
      },
      of: (uuid) => volume.holdsOf(uuid),
    }
  }

  members(): readonly contract.Member[] {
    return this.engine.volume.superblock.members.map(({ uuid, url }) => ({ uuid: formatUuid(uuid), url }))
  }

  async addMember(member: contract.Member, insteadOf: string | null = null): Promise<void> {
    this.engine.assertWritable()
    const uuid = parseUuid(member.uuid)
    const urlBytes = encodeUtf8(member.url).length
    if (urlBytes < 1 || urlBytes > memberUrlBytesMax)
      throw new StillpointError('bad-parameter', `the URL of a mirror has at most ${memberUrlBytesMax} bytes`)
    if (insteadOf !== null) this.engine.volume.setHolds(insteadOf, [])
    await this.engine.writeSuperblock(({ members }) => {
      const others = members.filter((other) => ![member.uuid, insteadOf].includes(formatUuid(other.uuid)))
      if (others.length >= membersMax)
        throw new StillpointError('bad-parameter', `a volume has at most ${membersMax} mirrors`)
      return { members: [...others, { uuid, url: member.url }] }
    })
  }

  /** Works on a fenced volume, too: whoever fenced it may be the member that has to go. */
  async removeMember(uuid: string): Promise<void> {
    this.engine.volume.setHolds(uuid, [])
    await this.engine.writeSuperblock(({ members }) => ({
      members: members.filter((other) => formatUuid(other.uuid) !== uuid),
    }))
  }

  observe(observer: contract.CpObserver): () => void {
    return this.engine.observe(observer)
  }

  onHoldsInTheWay(listener: contract.HoldListener): () => void {
    return this.engine.onHoldsInTheWay(listener)
  }

  async difference(
    target: contract.PublishedRoot,
    base: contract.PublishedRoot | null,
  ): Promise<Iterable<Run>> {
    const { volume } = this.engine
    const has = (root: contract.PublishedRoot) =>
      volume.retention.isRetained(root) ? volume.retention.usedMap(root) : volume.loadUsedMap(root)
    const [wanted, present] = await Promise.all([has(target), base ? has(base) : null])
    return wanted.runsNotIn(present, recordBlocksMax)
  }

  differenceBlocks(target: contract.PublishedRoot, base: contract.PublishedRoot | null): number {
    const { retention } = this.engine.volume
    return retention.usedMap(target).countNotIn(base && retention.usedMap(base))
  }

  async readBlocks(address: number, blocks: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(blocks * blockBytes)
    await this.engine.volume.device.read(address, bytes)
    return bytes
  }

  hasLost(position: { readonly cp: number; readonly hash: Uint8Array }): boolean {
    return this.engine.hasLost(position)
  }

  held(root: contract.PublishedRoot): contract.HeldBlocks | null {
    return heldBlocks(this.engine.volume, root)
  }
}
