/** The keys of a side: in force only when the file that has them is durable, and the same ones after a restart. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { toHex } from '../../src/lib/bytes.ts'
import { UserError } from '../../src/lib/user-error.ts'
import { memberUrlBytesMax } from '../../src/format/geometry.ts'
import { type KeptKeys, toPairMax } from '../../src/replica/link/peer-keys.ts'
import { PairKeys } from '../../src/server/pair-keys.ts'
import { tempFolder, type TempFolder } from '../blockdev/temp-folder.ts'

const side = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`
const keyOf = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const withKey =
  (n: number) =>
  (kept: KeptKeys): KeptKeys => ({ ...kept, keys: new Map([...kept.keys, [side(n), keyOf(n)]]) })

let temp: TempFolder
let folder: string
let path: string
beforeEach(() => {
  temp = tempFolder()
  folder = temp.file('volume')
  mkdirSync(folder)
  path = `${folder}/pair-keys.json`
})
afterEach(() => temp.remove())

test('a key is in force only when the file has it', async () => {
  const keys = PairKeys.open(folder)
  for (let n = 1; n <= 5; n++) {
    const done = new Set<string>()
    const changing = keys.change(withKey(n)).then(() => done.add('changed'))
    while (done.size === 0) {
      if (keys.kept.keys.has(side(n))) expect(readFileSync(path, 'utf8')).toContain(side(n))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await changing
    expect(keys.kept.keys.get(side(n))).toEqual(keyOf(n))
  }
})

test('a change that cannot be kept changes nothing, and the next one is kept', async () => {
  const keys = PairKeys.open(folder)
  await keys.change(withKey(1))
  const before = keys.kept
  rmSync(folder, { recursive: true })
  expect(await keys.change(withKey(2)).catch((error: unknown) => error)).toMatchObject({ code: 'internal' })
  expect(keys.kept).toEqual(before)
  mkdirSync(folder)
  await keys.change(withKey(3))
  expect([...keys.kept.keys.keys()]).toEqual([side(1), side(3)])
  expect(PairKeys.open(folder).kept).toEqual(keys.kept)
})

test('an edit that throws changes nothing and does not keep the turn', async () => {
  const keys = PairKeys.open(folder)
  const thrown = keys.change(() => {
    throw new Error('no')
  })
  expect(await thrown.catch((error: unknown) => String(error))).toContain('no')
  await keys.change(withKey(1))
  expect(keys.kept.keys.size).toBe(1)
})

test('of changes at one time none is lost', async () => {
  const keys = PairKeys.open(folder)
  await Promise.all(Array.from({ length: 20 }, (_, n) => keys.change(withKey(n))))
  expect(keys.kept.keys.size).toBe(20)
  expect(PairKeys.open(folder).kept.keys.size).toBe(20)
})

test('a restart finds keys, pairings that are not finished, and what is unused; only the owner may read the file', async () => {
  const keys = PairKeys.open(folder)
  expect(existsSync(path)).toBe(false)
  await keys.change((kept) => ({
    ...withKey(7)(kept),
    toPair: ['http://a:1', 'http://b:2'],
    unused: [side(9)],
  }))
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const again = PairKeys.open(folder).kept
  expect(again).toEqual(keys.kept)
  expect([again.toPair, again.unused]).toEqual([['http://a:1', 'http://b:2'], [side(9)]])
  expect(toHex(again.keys.get(side(7))!)).toBe('07'.repeat(32))
})

test('the key that was made first leaves, and a file of as many as are kept can be read', async () => {
  const keys = PairKeys.open(folder)
  const all = Array.from({ length: 257 }, (_, n) => n)
  const urls = Array.from({ length: toPairMax }, (_, n) => `https://${n}`.padEnd(memberUrlBytesMax, 'a'))
  await keys.change(() => ({
    toPair: urls,
    unused: [side(1)],
    keys: new Map(all.map((n) => [side(n), keyOf(n % 251)])),
  }))
  expect(keys.kept.keys.size).toBe(256)
  expect(keys.kept.keys.has(side(0))).toBe(false)
  expect(keys.kept.keys.has(side(256))).toBe(true)
  expect(PairKeys.open(folder).kept).toEqual(keys.kept)
})

describe('a file that cannot be believed is refused by one sentence', () => {
  test.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['a key that is too short', JSON.stringify({ keys: { [side(1)]: 'ab' }, toPair: [], unused: [] })],
    ['a side that is none', JSON.stringify({ keys: { x: '07'.repeat(32) }, toPair: [], unused: [] })],
    ['a member too many', JSON.stringify({ keys: {}, toPair: [], unused: [], more: 1 })],
    ['a member too few', JSON.stringify({ keys: {}, toPair: [] })],
    ['an unused side that is none', JSON.stringify({ keys: {}, toPair: [], unused: ['x'] })],
  ])('%s', (_name, text) => {
    writeFileSync(path, text, { mode: 0o600 })
    expect(() => PairKeys.open(folder)).toThrow(UserError)
    expect(() => PairKeys.open(folder)).toThrow('has no pair keys: move it away, and pair again')
  })
})
