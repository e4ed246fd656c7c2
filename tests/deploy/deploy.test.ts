/** Alerts and dashboard name metrics that real servers have, and every metric of theirs is documented. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { served } from '../server/served.ts'
import { askedOf, type Exposition, metricRows, readExposition } from './exposition.ts'

const root = join(import.meta.dir, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const rules = read('deploy/prometheus/stillpoint.rules.yml')
const dashboard = JSON.parse(read('deploy/grafana/stillpoint.json')) as {
  readonly panels: readonly {
    readonly title: string
    readonly targets: readonly { readonly expr: string }[]
  }[]
}

const place = served(afterAll)
const texts: string[] = []
let known: Exposition

beforeAll(async () => {
  const mirror = await place.start(join(place.folder(), 'mirror'), { verb: 'mirror' })
  const primary = await place.start(join(place.folder(), 'primary'), { mirrors: [mirror.url] })
  const answer = await fetch(`${primary.url}/v1/files/a?durability=mirrored`, { method: 'PUT', body: 'a' })
  expect(answer.headers.get('Stillpoint-Durability')).toBe('mirrored')
  expect(
    (await fetch(`${primary.url}/v1/files/b?durability=logged`, { method: 'PUT', body: 'b' })).ok,
  ).toBeTrue()
  for (const { url } of [primary, mirror]) {
    expect(await (await fetch(`${url}/v1/files/a`)).text()).toBe('a')
    texts.push(await (await fetch(`${url}/metrics`)).text())
  }
  const expositions = texts.map(readExposition)
  const samples = new Map<string, Set<string>>()
  for (const exposition of expositions)
    for (const [name, labels] of exposition.samples)
      samples.set(name, new Set([...(samples.get(name) ?? []), ...labels]))
  known = { families: new Map(expositions.flatMap(({ families }) => [...families])), samples }
})

test('alerts and dashboard ask for what servers have', () => {
  const expressions = [
    ...[...rules.matchAll(/expr: (?:>-\n)?([^\n]+(?:\n {10,}[^\n]+)*)/g)].map(
      ([, expression]) => expression!,
    ),
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ]
  expect(expressions.length).toBeGreaterThan(40)
  const asked = expressions.flatMap(askedOf)
  expect(new Set(asked.map(({ name }) => name)).size).toBeGreaterThan(30)
  /** Labels of the scrape. */
  const ofScrape = ['instance', 'job']
  const unknown = asked.flatMap(({ name, labels }) => {
    const has = known.samples.get(name)
    if (!has) return [name]
    return labels
      .filter((label) => !has.has(label) && !ofScrape.includes(label))
      .map((label) => `${name}{${label}}`)
  })
  expect(unknown).toEqual([])
})

test('the table of metrics is what servers say of them', () => {
  const [, table = ''] = /<!-- metrics -->\n([^]*)<!-- \/metrics -->/.exec(read('docs/operations.md'))!
  const rows = table
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .join('|'),
    )
  expect(rows).toEqual(metricRows(texts[0]!, texts[1]!))
})

test('each alert has a case in which it fires', () => {
  const names = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!)
  expect(new Set(names).size).toBe(names.length)
  const fired = [...read('tests/deploy/alerts.test.yml').matchAll(/alertname="(\w+)"/g)].map(
    ([, name]) => name!,
  )
  expect(fired.sort()).toEqual(names.sort())
})

const hasPromtool = Bun.which('promtool') !== null
const promtool = (args: readonly string[], input = ''): void => {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: root, input, encoding: 'utf8' })
  expect({ status, said: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, said: '' })
}

test.skipIf(!hasPromtool)('promtool finds no fault in the alerts', () =>
  promtool(['check', 'rules', 'deploy/prometheus/stillpoint.rules.yml']),
)
test.skipIf(!hasPromtool)('promtool sees each alert fire, and none in a healthy pair', () =>
  promtool(['test', 'rules', 'tests/deploy/alerts.test.yml']),
)
test.skipIf(!hasPromtool)('promtool finds no fault in the metrics of a primary and a mirror', () => {
  for (const text of texts) promtool(['check', 'metrics'], text)
})
