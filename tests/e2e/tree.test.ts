/**
 * Showcase 2: a whole tree goes through primary and mirror and comes back the same; and while writers go on, everything
 * that the mirror shows belongs to one CP and equals what the primary has of that CP.
 */
import { expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { checkVolume, runSuccessfully } from '../../tools/live/command.ts'
import type { Pair } from '../../tools/live/pair.ts'
import { project } from '../../tools/live/server-process.ts'
import { seededRandom } from '../../src/lib/random.ts'
import { isFull, live, put, putTogether, testMsMax } from './live.ts'
import { describeTree, makeTree, treeDifference } from './local-tree.ts'

const { pair: startPair, folder } = live()
const files = isFull ? 20_000 : 3000

async function putAndGet(pair: Pair, source: string, name: string): Promise<void> {
  const { primary, mirror } = pair
  const report = await runSuccessfully(
    ['put', '-r', source, `/${name}`, '--url', primary.url, '--json'],
    testMsMax,
  )
  const { cp } = JSON.parse(report) as { cp: number }
  const back = join(pair.folder, `${name}-back`)
  const reading = ['--url', mirror.url, '--min-cp', String(cp), '--wait', '60']
  await runSuccessfully(['get', '-r', `/${name}`, back, ...reading], testMsMax)
  expect(treeDifference(describeTree(source), describeTree(back))).toEqual([])
}

test(
  `a tree of ${files} files with everything that names, modes, times and links may be`,
  async () => {
    const pair = await startPair()
    const source = join(folder(), 'tree')
    makeTree(source, files, 1)
    await putAndGet(pair, source, 'tree')
    expect(await pair.primary.stop()).toBe(0)
    expect(await pair.mirror.stop()).toBe(0)
    await checkVolume(pair.primary.data)
    await checkVolume(pair.mirror.data)
  },
  testMsMax,
)

const installed = join(project, 'node_modules')
if (isFull && existsSync(installed))
  test(
    'the installed packages of this project',
    async () => {
      await putAndGet(await startPair(), installed, 'installed')
    },
    testMsMax,
  )

interface Entry {
  readonly path: string
  readonly kind: string
  readonly etag: string
}

interface Listing {
  readonly cp: number
  readonly entries: readonly Entry[]
}

const counted = { listings: 0, files: 0, gone: 0 }

/** Null when the CP is no longer readable there. */
async function listingAt(url: string, path: string, query: string): Promise<Listing | null> {
  const response = await fetch(`${url}/v1/dirs/${path}?limit=1000&${query}`)
  const text = await response.text()
  if (response.status === 410) return null
  expect([response.status, text.slice(0, 200)]).toEqual([200, text.slice(0, 200)])
  return JSON.parse(text) as Listing
}

async function compareListing(pair: Pair, path: string): Promise<void> {
  const shown = await listingAt(pair.mirror.url, path, 'recursive=true')
  const own = shown && (await listingAt(pair.primary.url, path, `recursive=true&cp=${shown.cp}`))
  if (!own) return void counted.gone++
  counted.listings++
  expect(shown).toEqual(own)
}

async function compareFile(pair: Pair, path: string): Promise<void> {
  const shown = await fetch(`${pair.mirror.url}/v1/files/${path}`)
  const bytes = await shown.bytes()
  if (shown.status === 404) return
  expect(shown.status).toBe(200)
  const cp = shown.headers.get('Stillpoint-CP')
  const own = await fetch(`${pair.primary.url}/v1/files/${path}?cp=${cp}`)
  const ownBytes = await own.bytes()
  if (own.status === 410) return void counted.gone++
  counted.files++
  expect([own.status, own.headers.get('ETag')]).toEqual([200, shown.headers.get('ETag')])
  expect(Buffer.compare(bytes, ownBytes)).toBe(0)
}

test(
  'while writers go on, whatever the mirror shows is one CP, and the primary has the same in that CP',
  async () => {
    // Each `?cp=` keeps its CP readable for 30 s, and only eight are kept: so CPs come slowly here.
    const seconds = isFull ? 60 : 7
    const pair = await startPair({ primary: { flags: ['--cp-interval-ms', isFull ? '4500' : '1200'] } })
    const { primary, mirror } = pair
    const folders = 4
    const filesOfGeneration = 12
    const writing = { goesOn: true }
    let written = 0

    const random = async (worker: number): Promise<void> => {
      const dice = seededRandom(worker)
      while (writing.goesOn) {
        const path = `busy/d${dice.below(folders)}/f${dice.below(30)}`
        const size = dice.below(10) === 0 ? dice.below(400_000) : dice.below(5000)
        if (dice.below(5) === 0)
          await (await fetch(`${primary.url}/v1/files/${path}`, { method: 'DELETE' })).text()
        else await put(primary.url, path, new Uint8Array(dice.bytes(size)), '?durability=buffered')
        written++
      }
    }
    // All or nothing: whoever sees two generations at once has seen two CPs.
    const generations = async (): Promise<void> => {
      for (let generation = 1; writing.goesOn; generation++) {
        const texts = Array.from({ length: filesOfGeneration }, (_, i) => ({
          path: `generation/d${i % folders}/f${i}`,
          text: `${generation}`,
        }))
        await putTogether(primary.url, texts)
      }
    }
    const first = await put(primary.url, 'busy/d0/f0', 'x', '?durability=committed')
    await put(primary.url, 'generation/d0/f0', '0', '?durability=committed')
    await (await fetch(`${mirror.url}/v1/stat?minCp=${first.cp + 1}&wait=30`)).text()
    const writers = [random(1), random(2), random(3), generations()]
    const seen = new Set<string>()
    try {
      const until = performance.now() + seconds * 1000
      const dice = seededRandom(9)
      let round = 0
      while (performance.now() < until) {
        await compareListing(pair, ['busy', 'busy/d0', 'generation'][dice.below(3)]!)
        for (let i = 0; i < 4; i++) await compareFile(pair, `busy/d${dice.below(folders)}/f${dice.below(30)}`)
        if (++round % 20 !== 0) continue
        const target = join(folder(), 'got')
        await runSuccessfully(['get', '-r', '/generation', target, '--url', mirror.url])
        const shown = new Set(
          describeTree(target)
            .filter((line) => line.includes(': file '))
            .map((line) => line.split(' ').at(-1)!),
        )
        expect(shown.size).toBe(1)
        seen.add([...shown][0]!)
      }
    } finally {
      writing.goesOn = false
      await Promise.all(writers)
    }
    expect(written).toBeGreaterThan(100)
    expect(counted.listings).toBeGreaterThan(20)
    expect(counted.files).toBeGreaterThan(50)
    // A CP that the mirror shows is held on the primary, or just was.
    expect(counted.gone).toBeLessThan((counted.listings + counted.files) / 4)
    expect(seen.size).toBeGreaterThan(0)
  },
  testMsMax,
)
