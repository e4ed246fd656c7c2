import { beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { systemClock } from '../../../src/lib/clock.ts'
import { systemRandom } from '../../../src/lib/random.ts'
import { UserError } from '../../../src/lib/user-error.ts'
import { makeSelfSigned } from '../../../src/server/tls/self-signed.ts'
import { readTlsPair, stampOf, type TlsPair } from '../../../src/server/tls/tls-pair.ts'
import { lookMs, watchTls } from '../../../src/server/tls/tls-watch.ts'
import { temporaryFolders } from '../../cli/temporary-folder.ts'
import { VirtualClock } from '../../simulated/clock.ts'

const folder = temporaryFolders()
const make = (days = 10) =>
  makeSelfSigned({
    clock: systemClock,
    random: systemRandom,
    names: ['files.example', '10.0.0.1', '::1'],
    days,
  })
type Pem = Awaited<ReturnType<typeof make>>
let first: Pem
let second: Pem
beforeAll(async () => {
  first = await make()
  second = await make()
})

function written(cert: string, key: string, mode = 0o600) {
  const at = folder()
  const files = { cert: join(at, 'cert.pem'), key: join(at, 'key.pem') }
  writeFileSync(files.cert, cert)
  writeFileSync(files.key, key)
  chmodSync(files.key, mode)
  return files
}

function refusal(files: { cert: string; key: string }): string {
  try {
    readTlsPair(files)
  } catch (error) {
    expect(error).toBeInstanceOf(UserError)
    expect((error as Error).message).not.toContain('\n')
    return (error as Error).message
  }
  throw new Error('nothing was refused')
}

describe('a pair', () => {
  test('is read whole', () => {
    const pair = readTlsPair(written(first.cert, first.key))
    const certificate = new X509Certificate(first.cert)
    expect(pair.fingerprint).toMatch(/^[0-9a-f]{64}$/)
    expect(pair.fingerprint).toBe(certificate.fingerprint256.replaceAll(':', '').toLowerCase())
    expect(certificate.subjectAltName).toContain('DNS:files.example, IP Address:10.0.0.1')
    expect(Math.abs(pair.expiresAtMs - Date.now() - 10 * 86_400_000)).toBeLessThan(86_400_000)
    expect(new X509Certificate(second.cert).serialNumber).not.toBe(certificate.serialNumber)
  })

  test('of two is refused, each way', () => {
    expect(refusal(written(first.cert, second.key))).toContain('is not that of the certificate')
    expect(refusal(written(second.cert, first.key))).toContain('is not that of the certificate')
  })

  test('with a key for everybody is refused, for a group not', () => {
    for (const mode of [0o604, 0o644, 0o666, 0o602, 0o601])
      expect(refusal(written(first.cert, first.key, mode))).toContain('chmod 600')
    for (const mode of [0o600, 0o400, 0o640]) readTlsPair(written(first.cert, first.key, mode))
  })

  test('that is none', () => {
    expect(refusal(written('nonsense', first.key))).toContain('no certificate')
    expect(refusal(written(first.cert, 'nonsense'))).toContain('no private key')
    expect(refusal(written(first.cert.slice(0, 200), first.key))).toContain('no certificate')
    expect(refusal(written('x'.repeat(300_000), first.key))).toContain('too long')
    const files = written(first.cert, first.key)
    rmSync(files.key)
    expect(refusal(files)).toContain('ENOENT')
    expect(refusal({ ...files, key: folder() })).toContain('not a regular file')
    Bun.spawnSync(['mkfifo', '-m', '600', files.key])
    expect(statSync(files.key).isFIFO()).toBe(true)
    expect(refusal(files)).toContain('not a regular file')
  })

  test('is another one when a link is pointed elsewhere', () => {
    const files = written(first.cert, first.key)
    const others = written(second.cert, second.key)
    const link = join(folder(), 'cert.pem')
    symlinkSync(files.cert, link)
    const linked = { cert: link, key: files.key }
    const before = stampOf(linked)
    expect(stampOf(linked)).toBe(before)
    rmSync(link)
    expect(stampOf(linked)).toBe('ENOENT')
    symlinkSync(others.cert, link)
    expect(stampOf(linked)).not.toBe(before)
  })
})

describe('renewing', () => {
  function watched() {
    const clock = new VirtualClock()
    const files = written(first.cert, first.key)
    const taken: string[] = []
    let reads = 0
    const stop = watchTls({
      clock,
      current: readTlsPair(files),
      stamp: () => stampOf(files),
      read() {
        reads++
        return readTlsPair(files)
      },
      take: ({ fingerprint }: TlsPair) => void taken.push(fingerprint),
    })
    const replace = (path: string, text: string, mode: number) => {
      writeFileSync(`${path}.new`, text)
      chmodSync(`${path}.new`, mode)
      renameSync(`${path}.new`, path)
    }
    return { clock, files, taken, stop, replace, reads: () => reads }
  }

  test('waits until both files belong together, and takes a pair once', () => {
    const { clock, files, taken, stop, replace, reads } = watched()
    clock.jump(5 * lookMs)
    expect(reads()).toBe(0)
    replace(files.cert, second.cert, 0o644)
    clock.jump(3 * lookMs)
    expect(taken).toEqual([])
    replace(files.key, second.key, 0o644)
    clock.jump(lookMs)
    expect(taken).toEqual([])
    chmodSync(files.key, 0o600)
    clock.jump(lookMs)
    const { fingerprint } = readTlsPair(files)
    expect(taken).toEqual([fingerprint])
    const before = reads()
    clock.jump(10 * lookMs)
    expect([taken.length, reads()]).toEqual([1, before])
    // The same content again is no new certificate.
    replace(files.cert, second.cert, 0o644)
    clock.jump(lookMs)
    expect(taken).toHaveLength(1)
    stop()
    expect(clock.timers).toBe(0)
  })

  test('files that are gone for a while change nothing', () => {
    const { clock, files, taken, stop, replace } = watched()
    rmSync(files.cert)
    clock.jump(lookMs)
    replace(files.cert, first.cert, 0o644)
    clock.jump(lookMs)
    expect(taken).toEqual([])
    stop()
  })
})
