/** A mirror's machine with facts that a test sets, and roots that nobody else has. */
import { assert } from '../../../src/lib/assert.ts'
import { sha256 } from '../../../src/lib/checksum.ts'
import { formatUuid, newUuid, parseUuid, seededRandom } from '../../../src/lib/random.ts'
import type { HeldBlocks, PublishedRoot } from '../../../src/cp-engine/contract.ts'
import { noFeatures } from '../../../src/format/features.ts'
import { blockBytes, countersMax, makeGeometry } from '../../../src/format/geometry.ts'
import { noNode, recordSum } from '../../../src/format/pointer.ts'
import { type Root, encodeRoot } from '../../../src/format/disk/root.ts'
import { type FrameBody, type Message, type Position, nowhere } from '../../../src/format/wire/messages.ts'
import { Applier } from '../../../src/replica/mirror/applier.ts'
import type { ApplierAction, ApplierEvent, ApplierFacts } from '../../../src/replica/mirror/applier-events.ts'
import { patchedRuns } from '../../../src/replica/mirror/patched-runs.ts'
import { Presence } from '../../../src/replica/mirror/presence.ts'

export const random = seededRandom(11)
export const uuid = () => formatUuid(newUuid(random))
export const geometry = makeGeometry(2 ** 26, 2 ** 20, 2 ** 20)
export const volumeUuid = uuid()
const side = uuid()
export const epoch = { number: 0, id: random.bytes(8) }
export const first = geometry.logAddress + geometry.logBlocks
const sums = { kind: 'xxh3', seed: 99 } as const

export function rootOf(
  cp: number,
  previous: PublishedRoot | null,
  change: Partial<Root> = {},
): PublishedRoot {
  const zeros = new Uint8Array(32)
  const root: Root = {
    features: noFeatures,
    volumeUuid: parseUuid(volumeUuid),
    cp,
    blockCount: geometry.blocksMax,
    blocksMax: geometry.blocksMax,
    sums: sums,
    fileTree: { pointer: noNode, level: 0 },
    snapshotsTree: { pointer: noNode, level: 0 },
    liveMap: noNode,
    usedMap: noNode,
    epochs: [{ ...epoch, firstCp: 1, rootHashBefore: zeros }],
    counters: new Array<number>(countersMax).fill(0),
    committedAtMs: 1,
    sequence: cp,
    opening: 1,
    previousHash: previous?.hash ?? zeros,
    snapshotName: null,
    ...change,
  }
  const bytes = encodeRoot(root)
  return { root, address: first + cp, bytes, hash: sha256(bytes) }
}

export const positionOf = (root: PublishedRoot | null): Position =>
  root ? { cp: root.root.cp, hash: root.hash } : nowhere
export const base = rootOf(5, null)
export const next = rootOf(6, base)

export class Scene {
  volume: string | null = volumeUuid
  epoch = epoch
  published: PublishedRoot | null = base
  kept: PublishedRoot[] = [base]
  used = new Set<number>()
  /** What patches are made of, by reads that wait. */
  readonly held: HeldBlocks = {
    has: ({ address, blocks }) =>
      Array.from({ length: blocks }, (_, i) => address + i).every((a) => this.used.has(a)),
    readNow: () => null,
    read: (run) => {
      this.reads++
      return Promise.resolve(this.held.has(run) ? block(run.address, run.blocks) : null)
    },
  }
  reads = 0
  readonly presence = new Presence()
  readonly applier: Applier
  session = uuid()
  private number = 0

  constructor(rootsMax = 11) {
    const facts: ApplierFacts = {
      side,
      newSession: uuid,
      volume: () => this.volume,
      epoch: () => this.epoch,
      geometry: () => geometry,
      published: () => this.published,
      kept: () => this.kept,
      uses: (address, blocks) =>
        Array.from({ length: blocks }, (_, i) => address + i).some((a) => this.used.has(a)),
    }
    this.applier = new Applier(facts, this.presence, { rootsMax, wantsMax: 4, wantsPerBlockMax: 2 })
  }

  event = (event: ApplierEvent): readonly ApplierAction[] => {
    const actions = this.applier.handle(event)
    for (const action of actions)
      if (action.kind === 'answer' && action.message.kind === 'hello-answer')
        this.session = action.message.opens
    return actions
  }

  send(
    cp: number,
    body: FrameBody,
    head: Partial<Message> = {},
    bytes: readonly Uint8Array[] = [],
  ): readonly ApplierAction[] {
    const message = this.message(cp, body, head)
    const runs = message.kind === 'blocks' ? message.runs.map((run, i) => ({ ...run, bytes: bytes[i]! })) : []
    return this.event({ kind: 'frame', frame: { message, runs, damaged: 0, bytes: 0 } })
  }

  /** `whileRead`: what happens while its blocks are read. */
  async patches(
    cp: number,
    body: Extract<FrameBody, { kind: 'patches' }>,
    head: Partial<Message> = {},
    whileRead = () => {},
  ): Promise<readonly ApplierAction[]> {
    const message = this.message(cp, body, head)
    assert(message.kind === 'patches', 'patches are sent')
    const isOfUse = this.applier.baseOf(message) !== null
    const { runs, refused } = isOfUse ? await patchedRuns(message.runs, this.held) : { runs: [], refused: 0 }
    whileRead()
    return this.event({ kind: 'frame', frame: { message, runs, damaged: refused, bytes: 0 } })
  }

  private message(cp: number, body: FrameBody, head: Partial<Message>): Message {
    return {
      volume: volumeUuid,
      session: this.session,
      epoch,
      cp,
      base: positionOf(this.published),
      number: this.number++,
      ...body,
      ...head,
    } as Message
  }

  hello(head: Partial<Message> = {}): readonly ApplierAction[] {
    return this.send(5, { kind: 'hello', side: uuid(), member: side, geometry }, { session: uuid(), ...head })
  }

  /** Says hello and lets everything drain. */
  greet(): readonly ApplierAction[] {
    return this.answerDrain(this.hello())
  }

  answerDrain(actions: readonly ApplierAction[]): readonly ApplierAction[] {
    const drain = actions.find((action) => action.kind === 'drain')
    return drain ? this.event({ kind: 'drained', token: drain.token }) : []
  }

  blocks(
    cp: number,
    address: number,
    bytes: Uint8Array,
    head: Partial<Message> = {},
    source: 'live' | 'difference' | 'want' = 'live',
  ): readonly ApplierAction[] {
    const claim = { payloadBytes: bytes.length, kind: 'xxh3' as const, sum: recordSum(bytes, sums) }
    const run = { address, blocks: bytes.length / blockBytes, claim, wireSum: new Uint8Array(8) }
    return this.send(cp, { kind: 'blocks', source, runs: [run] }, head, [bytes])
  }

  offer(
    root: PublishedRoot,
    offer: number,
    isComplete = true,
    head: Partial<Message> = {},
    blocks = isComplete ? 0 : 9,
  ): readonly ApplierAction[] {
    return this.send(
      root.root.cp,
      { kind: 'offer', offer, address: root.address, isComplete, blocks, root: root.bytes },
      head,
    )
  }
}

export const kinds = (actions: readonly ApplierAction[]): string[] =>
  actions.map((action) =>
    action.kind !== 'answer'
      ? action.kind
      : action.message.kind === 'error'
        ? action.message.code
        : action.message.kind,
  )
export const block = (seed: number, blocks = 1): Uint8Array => seededRandom(seed).bytes(blocks * blockBytes)
export const tokenOf = (actions: readonly ApplierAction[], kind: 'drain' | 'verify' | 'publish'): number => {
  const found = actions.find((action) => action.kind === kind)
  return found && 'token' in found ? found.token : -1
}
