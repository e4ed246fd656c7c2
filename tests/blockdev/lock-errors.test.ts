/**
 * Each call of the lock and of the direct open fails, once or from then on: a volume has one holder or none, nothing
 * stays open, and reads and writes go on through the page cache.
 */
import { afterEach, beforeEach, describe, expect, spyOn, test } from 'bun:test'
import { readdirSync, writeFileSync } from 'node:fs'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import { FileDevice } from '../../src/blockdev/file-device.ts'
import { lockVolume, type LockOptions } from '../../src/blockdev/volume-lock.ts'
import { StillpointError, hasCode } from '../../src/lib/errors.ts'
import { FailingCalls, type Failure, withEachFailure } from '../failing-calls.ts'
import { patternBlock } from './contract.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

const codes = ['EIO', 'ENOSPC', 'EROFS', 'EACCES', 'EMFILE', 'ESTALE']

let folder: TempFolder
let calls: FailingCalls | null = null
beforeEach(() => {
  folder = tempFolder()
})
afterEach(() => {
  calls?.restore()
  folder.remove()
})

const ways: readonly (readonly [name: string, options: LockOptions])[] = [
  ['flock', {}],
  ['the name in the file', { tryLock: () => 'unsupported' }],
]

/** Takes the lock with one call that fails; null and the error when it was not given. */
function lockOnce(options: LockOptions, failure: Failure | null) {
  calls = new FailingCalls(folder.path, failure)
  try {
    return { lock: lockVolume(folder.path, options), error: null, made: calls }
  } catch (error) {
    return { lock: null, error, made: calls }
  } finally {
    calls.restore()
  }
}

describe.each(ways)('the lock by %s', (name, options) => {
  test('is given to one, or refused in one sentence with nothing left open', async () => {
    await withEachFailure(codes, async (failure) => {
      const { lock, error, made } = lockOnce(options, failure)
      if (lock === null) {
        expect(error).toBeInstanceOf(DeviceError)
        expect((error as Error).message).toMatch(/^cannot lock the volume in [^\n]+$/)
        expect(made.open).toBe(0)
        if (failure?.isForGood !== true)
          expect(readdirSync(folder.path).filter((file) => file !== 'lock')).toEqual([])
        // By its name a process may still hold what it could not read again; a new process comes after it.
        writeFileSync(folder.file('lock'), '')
      } else {
        // A name that could not be written is told to nobody, and the flock holds.
        const second = lockOnce(options, null)
        expect(hasCode(second.error, 'busy')).toBe(true)
        lock.release()
      }
      lockVolume(folder.path, options).release()
      return made
    })
  })

  test('is never given beside a holder, whatever cannot be read', async () => {
    await withEachFailure(codes, async (failure) => {
      const held = lockVolume(folder.path, options)
      const { lock, error, made } = lockOnce(options, failure)
      expect(lock).toBeNull()
      expect(
        error instanceof DeviceError || (error instanceof StillpointError && error.code === 'busy'),
      ).toBe(true)
      if (name === 'flock') expect(made.open).toBe(0)
      held.release()
      return made
    })
  })

  test('is never given beside a holder of another user, to whom no signal may be sent', () => {
    const held = lockVolume(folder.path, options)
    const refuse = spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('EPERM'), { code: 'EPERM' })
    })
    try {
      const { lock, error } = lockOnce(options, null)
      expect(lock).toBeNull()
      expect(hasCode(error, 'busy')).toBe(true)
    } finally {
      refuse.mockRestore()
      held.release()
    }
  })

  test.each([1, 2, 3, 4])('is never given beside a holder whose name cannot be read %d times', (times) => {
    const held = lockVolume(folder.path, options)
    const { lock } = lockOnce(options, { at: 0, code: 'EIO', first: { name: 'readFileSync', times } })
    expect(lock).toBeNull()
    held.release()
  })

  test('is free again after a release, whatever fails in it', async () => {
    await withEachFailure(codes, async (failure) => {
      const lock = lockVolume(folder.path, { ...options })
      calls = new FailingCalls(folder.path, failure)
      try {
        lock.release()
      } finally {
        calls.restore()
      }
      // A name that stays names this process, which is alive.
      if (calls.hasFailed && options.tryLock) writeFileSync(folder.file('lock'), '')
      lockVolume(folder.path, options).release()
      return calls
    })
  })
})

describe.each(codes)('the direct open fails with %s', (code) => {
  test.each([false, true])('and all goes through the page cache (read-only: %p)', async (readOnly) => {
    const path = folder.file('volume')
    const bytes = patternBlock(3, 128)
    const made = await FileDevice.create(path, 200)
    await made.write([{ address: 3, bytes }])
    await made.sync()
    await made.close()

    const device = await FileDevice.open(path, { readOnly })
    calls = new FailingCalls(path, { at: 0, code })
    const target = new Uint8Array(bytes.length)
    await device.read(3, target, { uncached: true })
    expect(calls.made).toEqual(['openSync'])
    expect(Buffer.compare(target, bytes)).toBe(0)
    if (!readOnly) {
      const other = patternBlock(9, 128)
      await device.write([{ address: 3, bytes: other }])
      await device.sync()
      await device.read(3, target, { uncached: true })
      expect(Buffer.compare(target, other)).toBe(0)
    }
    await device.close()
    // The open is not tried again with each read.
    expect(calls.made).toEqual(['openSync'])
    expect(calls.open).toBe(0)
  })

  test('and so does a look at whether it is the same file', async () => {
    const path = folder.file('volume')
    const device = await FileDevice.create(path, 200)
    // Too small to go past the page cache.
    const bytes = patternBlock(3, 32)
    await device.write([{ address: 3, bytes }])
    calls = new FailingCalls(path, { at: 1, code })
    const target = new Uint8Array(bytes.length)
    await device.read(3, target, { uncached: true })
    expect(calls.made).toEqual(['openSync', 'fstatSync', 'closeSync'])
    expect(Buffer.compare(target, bytes)).toBe(0)
    expect(calls.open).toBe(0)
    await device.close()
  })
})
