/** Inserts, gets and consistency points of the tree in memory, for a fixed seed. `bun bench/tree.ts [items]` */
import { encodeUtf8, writeU64BigEndian } from '../src/lib/bytes.ts'
import { seededRandom } from '../src/lib/random.ts'
import { NodeCache } from '../src/cp-engine/tree/node-cache.ts'
import { OpenTree } from '../src/cp-engine/tree/tree.ts'
import { noNode } from '../src/format/pointer.ts'

const items = Number(process.argv[2] ?? 1_000_000)
const valueBytes = 72

function keys(): Uint8Array[] {
  return Array.from({ length: items }, (_, i) => {
    const name = encodeUtf8(`file-${String(i).padStart(8, '0')}.txt`)
    const key = new Uint8Array(8 + name.length)
    writeU64BigEndian(key, 0, 1 + Math.floor(i / 1000))
    key.set(name, 8)
    return key
  })
}

function shuffled(list: readonly Uint8Array[]): Uint8Array[] {
  const random = seededRandom(11)
  const out = [...list]
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[out[i], out[j]] = [out[j]!, out[i]!]
  }
  // Copies lie in the order of their use: what is measured is the tree, not where the keys are.
  return out.map((key) => key.slice())
}

function report(what: string, count: number, started: number): void {
  const ms = performance.now() - started
  console.log(
    `${what.padEnd(34)} ${String(Math.round(count / ms)).padStart(6)} k/s ${ms.toFixed(0).padStart(7)} ms`,
  )
}

function run(name: string, order: readonly Uint8Array[]): void {
  const cache = new NodeCache({ bytesMax: 256 * 2 ** 20, slackBytes: 128 * 2 ** 20 })
  let address = 1
  const tree = new OpenTree(
    cache,
    { pointer: noNode, level: 0 },
    () => address++,
    () => undefined,
  )
  const value = new Uint8Array(valueBytes).fill(1)
  const batch: Uint8Array[] = []
  let started = performance.now()
  for (const key of order) {
    batch[0] = key
    tree.ready(batch)
    tree.put(key, value)
  }
  report(`${name}: insert`, order.length, started)
  const perItem = (cache.framesUsed * 4096) / order.length
  console.log(
    `${name}: ${perItem.toFixed(0)} bytes an item, level ${tree.root().level}, rss ${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB`,
  )
  const wanted = shuffled(order)
  started = performance.now()
  for (const key of wanted) tree.reader.get(key)
  report(`${name}: get at random`, wanted.length, started)

  const sealed = tree.seal()
  started = performance.now()
  let nodes = 0
  for (const node of sealed.encode()) nodes += node.bytes.length / 4096
  sealed.written()
  report(`${name}: encode (nodes)`, nodes, started)

  const other = new Uint8Array(valueBytes).fill(2)
  started = performance.now()
  for (const key of wanted.slice(0, 1000)) tree.put(key, other)
  const change = performance.now() - started
  const small = tree.seal()
  started = performance.now()
  for (const _ of small.encode()) continue
  small.written()
  const encode = performance.now() - started
  console.log(
    `${name}: 1,000 changes ${change.toFixed(1)} ms, encode ${small.dirtyCount} nodes ${encode.toFixed(1)} ms`,
  )
}

const ascending = keys()
run('ascending', ascending)
run('random', shuffled(ascending))
