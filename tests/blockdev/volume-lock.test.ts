import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { fstatSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { StillpointError } from '../../src/lib/errors.ts'
import { tryLock } from '../../src/blockdev/libc.ts'
import { lockVolume, type LockOptions } from '../../src/blockdev/volume-lock.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

const byName: LockOptions = { tryLock: () => 'unsupported' }

describe('the lock of a volume', () => {
  let folder: TempFolder
  beforeEach(() => {
    folder = tempFolder()
  })
  afterEach(() => folder.remove())

  const hold = async (method: string) => {
    const child = Bun.spawn(
      [process.execPath, join(import.meta.dir, 'lock-holder.ts'), folder.path, method],
      {
        stdin: 'pipe',
        stdout: 'pipe',
        stderr: 'inherit',
      },
    )
    const reader = child.stdout.getReader()
    const { value } = await reader.read()
    expect(new TextDecoder().decode(value)).toBe('locked\n')
    return child
  }
  const refusal = (options: LockOptions = {}): StillpointError => {
    try {
      lockVolume(folder.path, options)
    } catch (error) {
      if (error instanceof StillpointError) return error
      throw error
    }
    throw new Error('the lock was given')
  }

  for (const [name, options] of [
    ['flock', {}],
    ['the holder file', byName],
  ] as const) {
    test(`with ${name}: one at a time, again after release`, () => {
      const lock = lockVolume(folder.path, options)
      expect(refusal(options).code).toBe('busy')
      lock.release()
      lock.release()
      lockVolume(folder.path, options).release()
    })
  }

  for (const held of ['flock', 'file']) {
    for (const [name, options] of [
      ['flock', {}],
      ['the holder file', byName],
    ] as const) {
      test(`a process that holds it by ${held} keeps one by ${name} out, until it is killed`, async () => {
        const child = await hold(held)
        const error = refusal(options)
        expect(error.message).toBe(`the volume in ${folder.path} is in use by process ${child.pid}`)
        child.kill('SIGKILL')
        await child.exited
        lockVolume(folder.path, options).release()
      })
    }
  }

  test('with flock: a folder in place of the lock file, or a name that cannot be written, keeps nobody out', () => {
    mkdirSync(folder.file('lock'))
    const lock = lockVolume(folder.path)
    expect(refusal().message).toBe(`the volume in ${folder.path} is in use by another process`)
    lock.release()
    lockVolume(folder.path).release()
    expect(() => lockVolume(folder.path, byName)).toThrow(/^cannot lock the volume in [^\n]+$/)
  })

  test('where folders take no flock it is one on the lock file', () => {
    const noFolders: LockOptions = {
      tryLock: (descriptor) => (fstatSync(descriptor).isDirectory() ? 'unsupported' : tryLock(descriptor)),
    }
    const lock = lockVolume(folder.path, noFolders)
    expect(refusal(noFolders).code).toBe('busy')
    lock.release()
    lockVolume(folder.path, noFolders).release()
  })

  test('a later process with the same id does not hold it, nor does a file that says nothing', () => {
    for (const content of [
      `${process.pid} another-boot/1 file\n`,
      '',
      'xyz',
      '-1 - file',
      `${process.pid} - other`,
    ]) {
      writeFileSync(folder.file('lock'), content)
      for (const options of [{}, byName]) lockVolume(folder.path, options).release()
    }
  })
})
