/** A primary with its mirror as source and copy, and the limit: the same bytes posted from one Bun process to another. */
import type { Absent, Bench, Contestant } from '../harness/contract.ts'
import { Generator } from '../harness/generator.ts'
import { stateHash } from '../harness/state.ts'
import { contentOf, keyPath } from '../load/content.ts'
import { startBare } from '../servers/bare.ts'
import {
  ask,
  askJson,
  bytesSent,
  type MirrorItem,
  startMirror,
  startPair,
  type StillpointServer,
  takeCp,
  waitVisible,
} from '../servers/stillpoint.ts'
import { burstBytes, type Change, type Copied } from './copied.ts'

const requestsAtOnce = 16
/** The catalog's row of a transfer follows the publication. */
const settleMs = 50
const settleTries = 100

export async function stillpointCopy(bench: Bench): Promise<Copied> {
  const generator = await Generator.start(bench.workspace.processes)
  const { primary, mirrors } = await startPair(bench, 1)
  const mirror = mirrors[0]!
  const { mirrorFiles, mirrorFileBytes } = bench.scale
  let sentBefore = 0

  /** Waits until two looks in a row agree: the number is written after the mirror has published. */
  async function settledBytes(atLeast: number): Promise<number> {
    let last = -1
    for (let i = 0; i < settleTries; i++) {
      const sent = await bytesSent(bench, primary)
      if (sent === last && sent >= atLeast) return sent
      last = sent
      await Bun.sleep(settleMs)
    }
    throw new Error('the catalog does not show what was sent')
  }

  return {
    name: 'stillpoint',
    role: 'stillpoint',
    async fill() {
      await generator.run({
        kind: 'fill',
        port: primary.port,
        connections: requestsAtOnce,
        prefix: '/v1/files/data/',
        query: '?durability=buffered',
        firstKey: 0,
        keys: mirrorFiles,
        bytes: mirrorFileBytes,
        version: 1,
      })
      await waitVisible(mirror, (await takeCp(primary)).cp)
      sentBefore = await settledBytes(1)
    },
    async firstCopy() {
      const sent = await settledBytes(0)
      const fresh = await startMirror(bench)
      const began = performance.now()
      await addMirror(primary, fresh)
      const { cp } = await takeCp(primary)
      await waitVisible(fresh, cp)
      const ms = performance.now() - began
      const wire = (await settledBytes(sent + 1)) - sent
      await removeMirror(primary, fresh)
      await fresh.stop()
      sentBefore = await settledBytes(0)
      return { wire, ms }
    },
    change: (changes) => inParallel(changes, (change) => patch(primary, change)),
    async burst(files, writes) {
      await generator.run({
        kind: 'requests',
        method: 'PUT',
        port: primary.port,
        connections: requestsAtOnce,
        prefix: '/v1/files/burst/',
        query: '?durability=buffered',
        keys: files,
        bytes: burstBytes,
        seconds: 600,
        warmupSeconds: 0,
        requestsMax: writes,
      })
      // The last state is the same for everybody, however many writes each file has had.
      await generator.run({
        kind: 'fill',
        port: primary.port,
        connections: requestsAtOnce,
        prefix: '/v1/files/burst/',
        query: '?durability=buffered',
        firstKey: 0,
        keys: files,
        bytes: burstBytes,
        version: writes,
      })
    },
    async sync() {
      const { cp } = await takeCp(primary)
      await waitVisible(mirror, cp)
      return {
        async wire() {
          const sent = await settledBytes(sentBefore)
          const wire = sent - sentBefore
          sentBefore = sent
          return wire
        },
      }
    },
    hash: () => stateHash(mirror.files('data')),
    async close() {
      await primary.stop()
      await mirror.stop()
    },
  }
}

async function patch(primary: StillpointServer, { key, offset, bytes, version }: Change): Promise<void> {
  const url = `${primary.url}/v1/files/data/${keyPath(key)}?offset=${offset}&durability=buffered`
  await (await ask(url, { method: 'PATCH', body: contentOf(bytes, key, version) })).arrayBuffer()
}

async function addMirror(primary: StillpointServer, { url }: StillpointServer): Promise<void> {
  const body = JSON.stringify({ url })
  await ask(`${primary.url}/v1/mirrors`, {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'application/json' },
  })
}

async function removeMirror(primary: StillpointServer, { url }: StillpointServer): Promise<void> {
  type Item = MirrorItem & { readonly id: string }
  const { items } = await askJson<{ readonly items: readonly Item[] }>(`${primary.url}/v1/mirrors`)
  const member = items.find((item) => item.url === url)
  if (member) await ask(`${primary.url}/v1/mirrors/${member.id}`, { method: 'DELETE' })
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!)
  }
  await Promise.all(Array.from({ length: requestsAtOnce }, worker))
}

/** What a first copy costs when nothing is checked and nothing is stored. */
export async function rawPost(bench: Bench): Promise<Contestant | Absent> {
  const generator = await Generator.start(bench.workspace.processes)
  const server = await startBare(bench.workspace, 'memory')
  const { mirrorFiles, mirrorFileBytes } = bench.scale
  return {
    name: 'raw POST',
    role: 'limit',
    async measure(row) {
      if (row.id !== 'mirror-first-copy') return null
      const bytes = Math.ceil((mirrorFiles * mirrorFileBytes) / 2)
      const { seconds } = await generator.run({
        kind: 'upload',
        method: 'POST',
        port: server.port,
        connections: 2,
        paths: ['/a', '/b'],
        query: '',
        bytes,
      })
      return { time: seconds * 1000, wire: 2 * bytes }
    },
    close: () => server.stop(),
  }
}
