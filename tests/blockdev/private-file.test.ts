/** Small files that only their owner may read: whole or as before, and durable when the call says so. */
import { afterEach, beforeEach, describe, expect, spyOn, test } from 'bun:test'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DeviceError } from '../../src/blockdev/block-device.ts'
import { systemFolderCalls, type FolderCalls } from '../../src/blockdev/folder-calls.ts'
import { writePrivateFile } from '../../src/blockdev/private-file.ts'
import { CallError } from './fickle-kernel.ts'
import { tempFolder, type TempFolder } from './temp-folder.ts'

let temp: TempFolder
beforeEach(() => {
  temp = tempFolder()
})
afterEach(() => temp.remove())

const modeOf = (path: string): number => statSync(path).mode & 0o777

test('the content is synced, then has its name, then the name is synced', async () => {
  const steps: string[] = []
  const probe = await open(temp.file('probe'), 'w')
  const handles = Object.getPrototypeOf(probe) as { sync: () => Promise<void>; close: () => Promise<void> }
  await probe.close()
  const real = handles.sync
  const spy = spyOn(handles, 'sync').mockImplementation(async function (this: unknown) {
    steps.push('sync')
    await real.call(this)
  })
  try {
    const path = temp.file('secret')
    const calls: FolderCalls = {
      ...systemFolderCalls,
      async rename(from, to) {
        await systemFolderCalls.rename(from, to)
        steps.push(`${from} becomes ${to}`)
      },
      async syncFolder(folder) {
        await systemFolderCalls.syncFolder(folder)
        steps.push(`names of ${folder}`)
      },
    }
    await writePrivateFile(path, 'one', calls)
    expect(steps).toEqual(['sync', `${path}.new becomes ${path}`, 'sync', `names of ${dirname(path)}`])
  } finally {
    spy.mockRestore()
  }
})

test('only the owner may read it, also over a file of another mode that a crash has left', async () => {
  const path = temp.file('secret')
  writeFileSync(`${path}.new`, 'left behind, and longer than the new text')
  chmodSync(`${path}.new`, 0o666)
  writeFileSync(path, 'before')
  chmodSync(path, 0o644)
  await writePrivateFile(path, 'after')
  expect(readFileSync(path, 'utf8')).toBe('after')
  expect(modeOf(path)).toBe(0o600)
  expect(readdirSync(dirname(path))).toEqual(['secret'])
})

describe.each(['remove', 'rename', 'syncFolder'] as const)('a %s that fails', (name) => {
  test('is an error that names the file; the file is whole; the next try succeeds', async () => {
    const path = temp.file('secret')
    await writePrivateFile(path, 'before')
    const failing = { ...systemFolderCalls, [name]: () => Promise.reject(new CallError('EIO')) }
    const error = await writePrivateFile(path, 'after', failing).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(DeviceError)
    expect((error as Error).message).toContain(path)
    expect((error as Error).message).toContain('EIO')
    expect(readFileSync(path, 'utf8')).toBe(name === 'syncFolder' ? 'after' : 'before')
    await writePrivateFile(path, 'at last')
    expect(readFileSync(path, 'utf8')).toBe('at last')
    expect(readdirSync(dirname(path))).toEqual(['secret'])
  })
})

test('a folder that is absent is a DeviceError', async () => {
  expect(
    await writePrivateFile(temp.file('absent/secret'), 'x').catch((thrown: unknown) => thrown),
  ).toBeInstanceOf(DeviceError)
})
