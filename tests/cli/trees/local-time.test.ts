/** Times between local files and RFC 3339: what a file system can say is kept, and what cannot be set is as near as it goes. */
import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { sayTime, timeToSet } from '../../../src/cli/trees/local-time.ts'
import { UserError } from '../../../src/lib/user-error.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const folder = temporaryFolders()

test('nanoseconds are said, with as many digits as it takes', () => {
  expect(sayTime(0n)).toBe('1970-01-01T00:00:00.000Z')
  expect(sayTime(1n)).toBe('1970-01-01T00:00:00.000000001Z')
  expect(sayTime(1_582_966_800_123_456_000n)).toBe('2020-02-29T09:00:00.123456Z')
  expect(sayTime(1_582_966_800_120_000_000n)).toBe('2020-02-29T09:00:00.120Z')
  expect(sayTime(-1n)).toBe('1969-12-31T23:59:59.999999999Z')
  expect(sayTime(-1_000_000n)).toBe('1969-12-31T23:59:59.999Z')
  expect(sayTime(-(2n ** 80n))).toBe('0000-01-01T00:00:00.000Z')
  expect(sayTime(2n ** 80n)).toBe('9999-12-31T23:59:59.999999999Z')
})

test('what is set comes back: whole milliseconds as they are, the rest within 238 ns and never earlier', () => {
  const path = join(folder(), 'f')
  fs.writeFileSync(path, '')
  const set = (nanos: bigint): bigint => {
    const time = timeToSet(sayTime(nanos))
    fs.utimesSync(path, time, time)
    return fs.statSync(path, { bigint: true }).mtimeNs
  }
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }), (nanos) => {
      const whole = nanos - (nanos % 1_000_000n)
      expect(set(whole)).toBe(whole)
      const late = set(nanos) - nanos
      expect(late >= 0n && late < 480n).toBe(true)
      const micros = nanos - (nanos % 1000n)
      expect(set(micros) / 1000n).toBe(micros / 1000n)
    }),
    { seed: 3, numRuns: 300 },
  )
  for (const ms of [-1n, -1001n, -1_000_000_000_123n]) expect(set(ms * 1_000_000n)).toBe(ms * 1_000_000n)
  expect(set(-1_500_000n)).toBe(-2_000_000n)
  expect(() => timeToSet('yesterday')).toThrow(UserError)
})
