/**
 * Where the time went in a `.cpuprofile` of `--profile`: `bun bench/profile.ts FILE [LINES]`.
 *
 * A sampler's pauses while the process sleeps are counted to whatever it saw last, so no sample counts for more than a
 * few intervals.
 */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { projectRoot } from './harness/machine.ts'

interface Frame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}
interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: Frame
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}
const deltaUsMax = 3000

function nameOf({ functionName, url, lineNumber }: Frame): string {
  const file = url.startsWith('file://') ? relative(projectRoot, new URL(url).pathname) : url
  return `${functionName || '(anonymous)'}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`
}

const [path, lines = '45'] = process.argv.slice(2)
if (path === undefined) throw new Error('which file?')
const profile = JSON.parse(readFileSync(path, 'utf8')) as Profile
const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
const parents = new Map(
  profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)),
)
const self = new Map<string, number>()
const total = new Map<string, number>()
let all = 0
for (const [i, id] of profile.samples.entries()) {
  const us = Math.min(profile.timeDeltas[i] ?? 0, deltaUsMax)
  all += us
  const seen = new Set<string>()
  for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
    const name = nameOf(nodes.get(at)!.callFrame)
    if (at === id) self.set(name, (self.get(name) ?? 0) + us)
    if (!seen.has(name)) total.set(name, (total.get(name) ?? 0) + us)
    seen.add(name)
  }
}
for (const [title, times] of [
  ['self', self],
  ['with what it calls', total],
] as const) {
  console.log(`\n${title}, of ${(all / 1000).toFixed(0)} ms`)
  const sorted = [...times].toSorted((a, b) => b[1] - a[1])
  for (const [name, us] of sorted.slice(0, Number(lines)))
    console.log(`${((us / all) * 100).toFixed(1).padStart(6)} %  ${name}`)
}
