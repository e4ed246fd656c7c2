/**
 * Everything that is remembered and has a bound of its own: one row each. Clients of volumes are in
 * `volumes.ts`, and rows of the catalog in `catalog-rows.ts`.
 */
import { blockBytes } from '../../src/format/geometry.ts'
import type { BlockPointer } from '../../src/format/pointer.ts'
import type { PublishedRoot, WriteCommand } from '../../src/cp-engine/contract.ts'
import { PartSums } from '../../src/cp-engine/records/part-sums.ts'
import { WriteQueue } from '../../src/cp-engine/records/write-queue.ts'
import { NodeBuffers } from '../../src/cp-engine/tree/node-buffers.ts'
import { NodeCache, frameState } from '../../src/cp-engine/tree/node-cache.ts'
import { Readers } from '../../src/cp-engine/space/readers.ts'
import { OwnHistory } from '../../src/cp-engine/volume/own-history.ts'
import { FileCache, type KnownFile } from '../../src/fs/read/file-cache.ts'
import { KnownDirectories } from '../../src/fs/tree/known-directories.ts'
import { BufferPool } from '../../src/lib/buffer-pool.ts'
import { encodeUtf8 } from '../../src/lib/bytes.ts'
import { formatUuid } from '../../src/lib/random.ts'
import { RateLimit } from '../../src/lib/gates/rate-limit.ts'
import { Lag } from '../../src/replica/link/lag.ts'
import { keyOfPair } from '../../src/replica/link/peer-proof.ts'
import { sessionsMax } from '../../src/replica/link/peer-sessions.ts'
import { TransferLog } from '../../src/replica/link/transfer-log.ts'
import { Presence } from '../../src/replica/mirror/presence.ts'
import { ReplacedRuns } from '../../src/replica/primary/replaced-runs.ts'
import { SentBlocks } from '../../src/replica/primary/sent-blocks.ts'
import { AuditTrail, auditSourcesMax } from '../../src/server/audit.ts'
import { Prover, askOf, mirrorEnd } from '../replica/link/peers.ts'
import { VirtualClock } from '../simulated/clock.ts'
import type { Bound } from './bounds.ts'

const hashOf = (n: number): Uint8Array => {
  const hash = new Uint8Array(32)
  new DataView(hash.buffer).setUint32(0, n)
  return hash
}
const rootOf = (cp: number) => ({ root: { cp }, hash: hashOf(cp) }) as PublishedRoot
const largePayload = new Uint8Array(64 * 1024 + blockBytes)
const sums = { kind: 'xxh3', seed: 1 } as const
const largePointer = (i: number): BlockPointer => ({
  address: 5000 + i * 20,
  blocks: largePayload.length / blockBytes,
  payloadBytes: largePayload.length,
  encoding: 'raw',
  sum: hashOf(i).subarray(0, 8),
})
const commandOf = (i: number, bytes = new Uint8Array(blockBytes)): WriteCommand => ({
  address: 5000 + i,
  bytes,
  sum: new Uint8Array(8),
  payloadBytes: blockBytes,
  replaces: null,
})

const replaced = (most: number, count: number, makeRuns: () => ReplacedRuns): Bound => ({
  file: 'replica/primary/replaced-runs.ts',
  what: `runs that were replaced (${most})`,
  most,
  count,
  make: () => {
    const runs = makeRuns()
    const held = { has: () => true } as unknown as Parameters<ReplacedRuns['find']>[1]
    const bytes = new Uint8Array(blockBytes)
    const find = (i: number) => runs.find({ address: 2 * i + 1, blocks: 1 }, held)
    return {
      add: (i) =>
        runs.note(
          [{ ...commandOf(0, bytes), address: 2 * i + 1, replaces: { address: 2 * i, blocks: 1 } }],
          held,
        ),
      size: () => (runs as unknown as { byAddress: Map<unknown, unknown> }).byAddress.size,
      knows: (i) => find(i) !== null,
      keeps: 'newest',
      holder: runs,
    }
  },
})

export const remembered: readonly Bound[] = [
  {
    file: 'lib/gates/rate-limit.ts',
    what: 'clients that did something lately',
    most: 50,
    count: 300,
    make: () => {
      const limit = new RateLimit(new VirtualClock(), { burst: 3, perSecond: 1 }, 50)
      return {
        add: (i) => void limit.take(`client ${i}`),
        size: () => limit.size,
        knows: (i) => (limit as unknown as { clients: Map<string, unknown> }).clients.has(`client ${i}`),
        keeps: 'newest',
        holder: (limit as unknown as { clients: object }).clients,
      }
    },
  },
  {
    file: 'cp-engine/tree/node-cache.ts',
    what: 'clean nodes',
    most: 512,
    count: 5000,
    make: () => {
      const nodes = new NodeCache({ bytesMax: 512 * blockBytes, slackBytes: 0, cleanFramesMin: 8 })
      return {
        add: (i) => {
          nodes.allocate(1000 + i, frameState.clean, 0)
          nodes.trim()
        },
        size: () => nodes.framesUsed,
        knows: (i) => nodes.find(1000 + i) !== 0,
        keeps: 'newest',
        holder: nodes,
      }
    },
  },
  {
    file: 'cp-engine/tree/node-buffers.ts',
    what: 'buffers of nodes at rest',
    most: 2048,
    count: 5000,
    make: () => {
      const buffers = new NodeBuffers()
      const away: Uint8Array[] = []
      const { free } = buffers as unknown as { free: Uint8Array[] }
      return {
        // All of a large CP are away at once; then they come back, one by one.
        add: (i) => {
          if (i === 0) away.push(...buffers.take(6000))
          buffers.giveBack([away.pop()!])
        },
        size: () => free.length,
        knows: null,
        keeps: 'oldest',
        holder: free,
      }
    },
  },
  {
    file: 'cp-engine/records/part-sums.ts',
    what: 'large records whose parts are known',
    most: 2 ** 15,
    count: 2 ** 16,
    make: () => {
      const parts = new PartSums()
      const sum = new Uint8Array(largePayload.length)
      const is = (i: number) => parts.extentOf(largePointer(i), 0, 1, sums) !== null
      return {
        add: (i) => parts.learn(largePointer(i), sum, sums),
        // The places are one piece of memory: their number is looked at by the bytes.
        size: () => 2 ** 15,
        // Which one of the older ones gives its place is up to the addresses.
        knows: (i) => (i === 0 ? Array.from({ length: 2 ** 15 }, (_, n) => n).every(is) : is(i)),
        keeps: 'newest',
        holder: parts,
      }
    },
  },
  {
    file: 'cp-engine/records/write-queue.ts',
    what: 'commands of consistency points that were published',
    most: 2,
    count: 2000,
    make: () => {
      const queue = new WriteQueue(2 ** 20, new Readers())
      return {
        add: (i) => {
          const command = commandOf(i)
          queue.prepare(command)
          queue.enqueue(command.address)
          queue.prepare(commandOf(i + 0.5))
          queue.discard(command.address + 0.5)
          queue.seal()
          queue.written()
        },
        size: () => queue.bytes,
        knows: (i) => queue.find({ address: 5000 + i } as BlockPointer) !== null,
        keeps: 'none',
        holder: queue,
      }
    },
  },
  {
    file: 'cp-engine/records/write-queue.ts',
    what: 'blocks that readers keep of dropped commands',
    most: 64,
    count: 400,
    make: () => {
      const readers = new Readers()
      readers.begin()
      const queue = new WriteQueue(128 * blockBytes, readers)
      let dropped = 0
      return {
        // What would be more than a quarter leaves with its CP instead.
        add: (i) => {
          const command = commandOf(i)
          queue.prepare(command)
          queue.enqueue(command.address)
          if (queue.drop(command.address, () => undefined)) dropped++
          queue.seal()
          queue.written()
        },
        size: () => dropped,
        knows: (i) => queue.find({ address: 5000 + i } as BlockPointer) !== null,
        keeps: 'oldest',
        holder: queue,
      }
    },
  },
  {
    file: 'cp-engine/volume/own-history.ts',
    what: 'own consistency points',
    most: 4096,
    count: 3 * 4096,
    make: () => {
      const history = new OwnHistory(10, 14)
      const { hashes } = history as unknown as { hashes: Map<number, Uint8Array> }
      return {
        add: (i) => history.published(rootOf(14 + i)),
        size: () => hashes.size,
        // Of one that is known a different hash is a loss; of one that is forgotten nothing is said.
        knows: (i) => history.hasLost({ cp: 14 + i, hash: hashOf(1) }),
        keeps: 'newest',
        holder: history,
      }
    },
  },
  {
    file: 'fs/read/file-cache.ts',
    what: 'kibibytes of files read lately',
    most: 1024,
    count: 4096,
    make: () => {
      const files = new FileCache(2 ** 20)
      const find = (i: number) => files.find(`f${i}`)
      return {
        add: (i) => {
          const known = { urlPath: `f${i}`, cost: 1024, wasAsked: false, bytes: null } as KnownFile
          files.add(known)
          files.remember(known, new Uint8Array(2048))
        },
        size: () => files.bytes / 1024,
        knows: (i) => find(i) !== null,
        keeps: 'newest',
        holder: files,
      }
    },
  },
  {
    file: 'fs/tree/known-directories.ts',
    what: 'directories used lately',
    most: 4096,
    count: 3 * 4096 + 100,
    make: () => {
      const directories = new KnownDirectories()
      const { ids } = directories as unknown as { ids: Map<string, number> }
      return {
        add: (i) => directories.add([`d${i}`, 'f'] as never, i + 1),
        size: () => ids.size,
        knows: (i) => directories.find([`d${i}`, 'f'] as never) === i + 1,
        keeps: 'newest',
        holder: directories,
      }
    },
  },
  {
    file: 'lib/buffer-pool.ts',
    what: 'mebibytes of buffers at rest',
    most: 4,
    count: 40,
    make: () => {
      const pool = new BufferPool(4 * 2 ** 20)
      const away: Uint8Array[] = []
      return {
        add: (i) => {
          if (i === 0) for (let n = 0; n < 40; n++) away.push(pool.take(2 ** 20))
          pool.giveBack(away.pop()!)
        },
        size: () => pool.restingBytes / 2 ** 20,
        knows: null,
        keeps: 'oldest',
        holder: pool,
      }
    },
  },
  {
    file: 'replica/primary/sent-blocks.ts',
    what: 'consistency points of which blocks left live, while the mirror follows',
    most: 3,
    count: 300,
    make: () => {
      const sent = new SentBlocks()
      const { byCp } = sent as unknown as { byCp: Map<number, unknown> }
      return {
        add: (i) => {
          for (let n = 0; n < 20; n++) sent.add(i, (i * 20 + n) * 64, 3)
          sent.forgetUpTo(i - 3)
        },
        size: () => byCp.size,
        knows: (i) => [...sent.without([{ address: i * 20 * 64, blocks: 3 }], 1e9)].length === 0,
        keeps: 'newest',
        holder: sent,
      }
    },
  },
  replaced(1000, 5000, () => new ReplacedRuns(1000)),
  replaced(32_768, 70_000, () => new ReplacedRuns()),
  {
    file: 'replica/mirror/presence.ts',
    what: 'blocks that were written since the last publication',
    most: 1000,
    count: 4000,
    make: () => {
      const presence = new Presence(1000)
      return {
        add: (i) => presence.wrote(10 + 2 * i, 1, 6, new Uint8Array(8).fill(1)),
        size: () => presence.size,
        // What finds no room is read back: a shortcut, and the first ones are verified first.
        knows: (i) => presence.has(10 + 2 * i, 1, new Uint8Array(8).fill(1)),
        keeps: 'oldest',
        holder: presence,
      }
    },
  },
  {
    file: 'replica/link/peer-sessions.ts',
    what: 'sessions of proved primaries',
    most: sessionsMax,
    count: 200,
    make: () => {
      const clock = new VirtualClock()
      const [volume, primary, side] = [1, 2, 3].map((n) => formatUuid(new Uint8Array(16).fill(n))) as [
        string,
        string,
        string,
      ]
      const { sessions, fetchOf } = mirrorEnd({ side, secret: null, clock })
      const ask = askOf(
        fetchOf({
          receive: async () => {},
          hasAnswers: false,
          takeAnswers: () => [],
          onAnswer: () => () => {},
        }),
      )
      const key = keyOfPair('open', encodeUtf8('open'), { primary, mirror: side })
      const ids: Uint8Array[] = []
      return {
        async add(i) {
          const { session } = await new Prover(ask, { volume, primary }, () => ({
            keyKind: 'open',
            key,
          })).begin()
          ids[i] = session.id
          clock.jump(6000)
        },
        size: () => sessions.size,
        knows: (i) => sessions.find(ids[i]!) !== null,
        keeps: 'newest',
        holder: sessions,
      }
    },
  },
  {
    file: 'replica/link/transfer-log.ts',
    what: 'consistency points whose transfers are counted',
    most: 16,
    count: 400,
    make: () => {
      const transfers = new TransferLog()
      const { open } = transfers as unknown as { open: Map<number, unknown> }
      return {
        add: (i) => {
          transfers.sent('live', i, 1, 4096, i)
          transfers.sent(null, i, 0, 100, i)
        },
        size: () => open.size,
        knows: (i) => open.has(i),
        keeps: 'newest',
        holder: transfers,
      }
    },
  },
  {
    file: 'replica/link/lag.ts',
    what: 'publications that a lag is told from',
    most: 64,
    count: 400,
    make: () => {
      const lag = new Lag()
      const { publications } = lag as unknown as { publications: { readonly cp: number }[] }
      return {
        add: (i) => lag.published(i, i),
        size: () => publications.length,
        knows: (i) => publications.some(({ cp }) => cp === i),
        keeps: 'newest',
        holder: lag,
      }
    },
  },
  {
    file: 'server/audit.ts',
    what: 'sources of refusals in a minute',
    most: auditSourcesMax,
    count: 2 * auditSourcesMax,
    make: () => {
      const trail = new AuditTrail(new VirtualClock(), { recordAudit: () => {} })
      const { windows } = trail as unknown as { windows: Map<string, unknown> }
      const from = (i: number): string => `2001:db8:0:${i}::/64`
      return {
        add: (i) => trail.record({ event: 'refused', who: null, what: 'unauthorized', from: from(i) }),
        size: () => trail.size,
        knows: (i) => windows.has(`refused ${from(i)}`),
        keeps: 'oldest',
        holder: trail,
      }
    },
  },
]
