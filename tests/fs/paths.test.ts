/** One parser of names behind two front ends. */
import { describe, expect, test } from 'bun:test'
import { depthMax, formatPath, parsePlainPath, parseUrlPath, pathBytesMax } from '../../src/fs/paths.ts'
import { nameBytesMax } from '../../src/lib/entry-limits.ts'
import { StillpointError } from '../../src/lib/errors.ts'

const reason = (parse: () => unknown): string => {
  try {
    parse()
    return 'ok'
  } catch (error) {
    return error instanceof StillpointError && error.code === 'bad-path'
      ? String(error.help.reason)
      : 'another error'
  }
}

test('both front ends give the same names', () => {
  expect<readonly string[]>(parsePlainPath('')).toEqual([])
  expect<readonly string[]>(parseUrlPath('')).toEqual([])
  expect<readonly string[]>(parsePlainPath('a b/+%2F')).toEqual(['a b', '+%2F'])
  expect<readonly string[]>(parseUrlPath('a%20b/+%252F')).toEqual(['a b', '+%2F'])
  expect<readonly string[]>(parseUrlPath('a%2Fb%2fc')).toEqual(['a', 'b', 'c'])
  expect<readonly string[]>(parseUrlPath('%C3%A4/e%CC%81\\')).toEqual(['ä', 'e\u0301\\'])
  expect(formatPath(parsePlainPath('x/y/z'))).toBe('x/y/z')
})

describe('refused', () => {
  const names: Record<string, string> = {
    '': 'empty',
    '.': '"."',
    '..': '".."',
    'a\u0000': 'control',
    'a\u001f': 'control',
    'a\u0085': 'control',
    '\ud800': 'surrogate',
    ['x'.repeat(nameBytesMax + 1)]: 'longer',
    ['ä'.repeat(128)]: 'longer',
  }
  for (const [name, why] of Object.entries(names))
    test(JSON.stringify(name.slice(0, 20)), () => {
      expect(reason(() => parsePlainPath(`a/${name}/b`))).toMatch(why)
      if (name.isWellFormed())
        expect(reason(() => parseUrlPath(`a/${encodeURIComponent(name)}/b`))).toMatch(why)
    })

  test('what only a URL can say', () => {
    for (const raw of ['/a', 'a/', 'a//b', 'a%2F%2Fb', 'a%2F..%2Fb', '%2e%2e', '%00'])
      expect(reason(() => parseUrlPath(raw))).toMatch(/segment/)
    for (const raw of ['%', '%2', '%zz', 'a%']) expect(reason(() => parseUrlPath(raw))).toMatch(/percent/)
    for (const raw of ['%ff', '%C3', '%ED%A0%80']) expect(reason(() => parseUrlPath(raw))).toMatch(/UTF-8/)
  })

  test('lengths and depth', () => {
    const deep = (depth: number) => Array(depth).fill('d').join('/')
    expect(reason(() => parsePlainPath(deep(depthMax)))).toBe('ok')
    expect(reason(() => parsePlainPath(deep(depthMax + 1)))).toMatch(/segments/)
    const third = 'y'.repeat(170)
    const longest = `${'x'.repeat(255)}/`.repeat(14) + `${third}/${third}/${third}`
    expect(longest.length).toBe(pathBytesMax)
    expect(reason(() => parsePlainPath(longest))).toBe('ok')
    expect(reason(() => parsePlainPath(longest + 'y'))).toMatch(/bytes/)
  })
})
