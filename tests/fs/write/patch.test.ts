/** Ranges, appends and sizes where the model does not go: many at once, large bodies, many records. */
import { describe, expect, test } from 'bun:test'
import { keyKinds, orphanKey, recordRange } from '../../../src/format/items/item-keys.ts'
import { patchBytesMax } from '../../../src/fs/contract.ts'
import { offsetOfRecordKey } from '../../../src/fs/tree/records.ts'
import { fewRecords } from '../../../src/fs/write/resize.ts'
import { valueOf } from '../fake-items.ts'
import { FakeVolume, bytesOf, checkItems, chunked, codeOf, p } from '../volume.ts'

const mebibyte = 2 ** 20

describe('at the same time', () => {
  test('appends of one file all succeed, and none is lost', async () => {
    const volume = new FakeVolume()
    await volume.files.putFile(p('f'), new Uint8Array(0), {})
    const sizes = [10, 4096, 70_000, 3, 300_000, 1, 65_536, 500_000, 20, 7]
    const offsets = await Promise.all(
      sizes.map(async (size, i) => {
        const body = i % 2 === 0 ? bytesOf(size, i) : chunked(bytesOf(size, i), 30_000)
        return (await volume.files.patchFile(p('f'), 'end', body)).offset
      }),
    )
    const content = await volume.read('f')
    expect(content.length).toBe(sizes.reduce((a, b) => a + b))
    sizes.forEach((size, i) =>
      expect(Buffer.compare(content.subarray(offsets[i], offsets[i]! + size), bytesOf(size, i))).toBe(0),
    )
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('ranges of one file all succeed while its directory moves', async () => {
    const volume = new FakeVolume({ missPercent: 10 })
    const expected = bytesOf(400_000)
    await volume.files.putFile(p('d/f'), expected.slice(), {})
    const patches = Array.from({ length: 20 }, (_, i) => ({
      at: i * 19_000,
      bytes: bytesOf(1 + i * 900, i + 2),
    }))
    await Promise.all(
      patches.map(async ({ at, bytes }) => {
        await volume.files.patchFile(p('d/f'), at, bytes)
        expected.set(bytes, at)
      }),
    )
    expect(Buffer.compare(await volume.read('d/f'), expected)).toBe(0)
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test('a PATCH meets a PUT: it changes one content or the other, never a mixture', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const volume = new FakeVolume({ seed })
      await volume.files.putFile(p('f'), bytesOf(200_000, 1), {})
      const [patched] = await Promise.all([
        volume.files.patchFile(p('f'), 'end', chunked(bytesOf(300_000, 2), 20_000)),
        volume.files.putFile(p('f'), bytesOf(150_000, 3), {}),
      ])
      const content = await volume.read('f')
      const isLast = content.length > 150_000
      const expected = new Uint8Array(isLast ? 450_000 : 150_000)
      expected.set(bytesOf(150_000, 3))
      if (isLast) expected.set(bytesOf(300_000, 2), patched.offset)
      expect(Buffer.compare(content, expected)).toBe(0)
      expect(await volume.check()).toEqual([])
      await volume.close()
    }
  })
})

test('a large body goes through an upload and lies where it should', async () => {
  const volume = new FakeVolume()
  for (const [size, at] of [
    [5 * mebibyte, 1000] as const,
    [3 * mebibyte, 2 * mebibyte] as const,
    [mebibyte + 1, 7 * mebibyte + 5] as const,
  ]) {
    const expected = new Uint8Array(Math.max(5_500_000, at + size))
    expected.set(bytesOf(5_500_000))
    expected.set(bytesOf(size, 9), at)
    await volume.files.putFile(p('f'), bytesOf(5_500_000), {})
    await volume.files.patchFile(p('f'), at, chunked(bytesOf(size, 9), 77_777))
    expect(Buffer.compare(await volume.read('f'), expected)).toBe(0)
    expect(await volume.check()).toEqual([])
  }
  await volume.close()
})

test('limits', async () => {
  const volume = new FakeVolume({ missPercent: 0 })
  await volume.files.putFile(p('f'), bytesOf(10), {})
  const chunk = new Uint8Array(mebibyte).fill(7)
  const endless = async function* () {
    for (;;) yield chunk
  }
  expect(await codeOf(volume.files.patchFile(p('f'), 0, endless()))).toBe('too-large')
  const most = async function* () {
    for (let i = 0; i < patchBytesMax / mebibyte; i++) yield chunk
  }
  expect((await volume.files.patchFile(p('f'), 5, most())).stat.size).toBe(patchBytesMax + 5)
  expect(await codeOf(volume.files.resizeFile(p('f'), 2 ** 45))).toBe('too-large')
  expect(await codeOf(volume.files.patchFile(p('f'), 2 ** 44, bytesOf(1)))).toBe('too-large')
  // So large that the records of an upload would have no keys any more.
  for (const at of [2 ** 44 + 1, 2 ** 53 - 2 ** 20, Number.MAX_SAFE_INTEGER])
    expect(await codeOf(volume.files.patchFile(p('f'), at, most()))).toBe('too-large')
  expect(await codeOf(volume.files.patchFile(p('g'), 0, bytesOf(1)))).toBe('not-found')
  expect(volume.engine.largestOperation).toBeLessThan(500)
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('a sparse file costs nothing and reads as zeros', async () => {
  const volume = new FakeVolume()
  await volume.files.putFile(p('f'), bytesOf(100), {})
  await volume.files.resizeFile(p('f'), 2 ** 40)
  await volume.files.patchFile(p('f'), 2 ** 39, bytesOf(50, 2))
  expect(volume.engine.items.length).toBeLessThan(6)
  await volume.with(async (view) => {
    const file = await view.open(p('f'))
    const around = await file.read(2 ** 39 - 10, 2 ** 39 + 60)
    expect(around).toEqual(new Uint8Array([...new Uint8Array(10), ...bytesOf(50, 2), ...new Uint8Array(10)]))
    expect(await file.read(0, 110)).toEqual(new Uint8Array([...bytesOf(100), ...new Uint8Array(10)]))
    expect((await file.read(2 ** 40 - 5, 2 ** 40 + 5)).length).toBe(5)
    file.close()
  })
  expect(await volume.check()).toEqual([])
  await volume.close()
})

describe('truncating many records', () => {
  /** Every record is one block: 2 MiB are 512 of them. */
  const fragmented = () => new FakeVolume({ cutPercent: 100, missPercent: 1 })
  const blocks = 2 * fewRecords + 100
  const size = blocks * 4096
  const tailOf = (volume: FakeVolume) => {
    const orphan = volume.engine.items.find(({ key }) => key[0] === keyKinds.orphan)
    return orphan ? orphan.key : null
  }

  for (const [title, to] of [
    ['near its end', size - 10 * 4096 + 5],
    ['in the middle', (fewRecords + 50) * 4096 + 17],
    ['near its beginning', 40 * 4096 - 1],
    ['to one record', 1000],
    ['to nothing', 0],
  ] as const) {
    test(`${title} is one bounded operation, and what was cut off never comes back`, async () => {
      const volume = fragmented()
      await volume.files.putFile(p('f'), bytesOf(size), {})
      const largestBefore = volume.engine.largestOperation
      await volume.files.resizeFile(p('f'), to)
      expect(volume.engine.largestOperation).toBeLessThanOrEqual(Math.max(largestBefore, 2 * fewRecords + 20))
      expect(Buffer.compare(await volume.read('f'), bytesOf(size).subarray(0, to))).toBe(0)

      await volume.files.patchFile(p('f'), size - 100, bytesOf(50, 2))
      await volume.files.resizeFile(p('f'), size)
      const expected = new Uint8Array(size)
      expected.set(bytesOf(size).subarray(0, to))
      expected.set(bytesOf(50, 2), size - 100)
      expect(Buffer.compare(await volume.read('f'), expected)).toBe(0)
      expect(await volume.check()).toEqual([])
      await volume.close()
    })
  }

  test('a PATCH before a tail that waits for the reaper brings nothing of it back', async () => {
    const volume = fragmented()
    await volume.files.putFile(p('f'), bytesOf(size), {})
    // The reaper stands still.
    await volume.files.close()
    // The end is inside a cell, so records of the tail are in the same one.
    const to = (fewRecords + 20) * 4096 + 17
    await volume.files.resizeFile(p('f'), to)
    const tail = tailOf(volume)
    expect(tail).not.toBeNull()
    volume.engine.largestOperation = 0
    await volume.files.patchFile(p('f'), to - 5000, bytesOf(100, 2))
    expect(tailOf(volume)).toEqual(tail)
    // Entry, version, and the records of its cell up to the end; those of the tail stay where they are.
    expect(volume.engine.largestOperation).toBeLessThan(10)
    await volume.reopen()
    await volume.files.resizeFile(p('f'), size)
    const expected = new Uint8Array(size)
    expected.set(bytesOf(size).subarray(0, to))
    expected.set(bytesOf(100, 2), to - 5000)
    expect(Buffer.compare(await volume.read('f'), expected)).toBe(0)
    expect(await volume.check()).toEqual([])
    await volume.close()
  })

  test.each([
    ['deleted', (volume: FakeVolume) => volume.files.deleteFile(p('f'))],
    ['replaced', (volume: FakeVolume) => volume.files.putFile(p('f'), bytesOf(10), {})],
    ['truncated to nothing', (volume: FakeVolume) => volume.files.resizeFile(p('f'), 0)],
  ] as const)(
    'a file is %s while its tail still waits, and few records are left: no orphan of nothing',
    async (_, unlink) => {
      const volume = fragmented()
      await volume.files.putFile(p('f'), bytesOf(size), {})
      await volume.files.close()
      const to = (fewRecords + 4) * 4096
      await volume.files.resizeFile(p('f'), to)
      // The reaper has just taken as many as there were: whether that was all shows its next step.
      const { from, end } = recordRange(2)
      await volume.engine.run((tx) => {
        for (const { key } of tx.scan(from, end, blocks)) if (offsetOfRecordKey(key) >= to) tx.delete(key)
      })
      await volume.files.resizeFile(p('f'), 5 * 4096)
      await unlink(volume)
      expect(tailOf(volume)).not.toBeNull()
      expect(checkItems(volume.engine.items, volume.openRoot()).problems).toEqual([])
      await volume.reopen()
      expect(await volume.check()).toEqual([])
      await volume.close()
    },
  )

  test('a tail survives a crash at any step, and is taken once', async () => {
    for (let steps = 0; steps < 6; steps++) {
      const volume = fragmented()
      await volume.files.putFile(p('f'), bytesOf(size), {})
      await volume.engine.requestCp('requested')
      // The reaper stands still, so that the steps can be counted.
      await volume.files.close()
      const to = (fewRecords + 20) * 4096
      await volume.files.resizeFile(p('f'), to)
      expect(tailOf(volume)).not.toBeNull()
      if (steps === 3) await volume.files.resizeFile(p('f'), to - 8192)
      if (steps === 4) await volume.files.deleteFile(p('f'))
      if (steps === 5) await volume.files.patchFile(p('f'), 'end', bytesOf(10))
      await volume.reopen()
      if (steps === 2) await volume.reopen()
      expect(await volume.check()).toEqual([])
      expect(valueOf(volume.engine.items, orphanKey(2))).toBeNull()
      if (steps === 4) expect(volume.engine.items.length).toBe(0)
      else {
        const content = await volume.read('f')
        const kept = steps === 3 ? to - 8192 : to
        expect(Buffer.compare(content.subarray(0, kept), bytesOf(size).subarray(0, kept))).toBe(0)
        expect(content.length).toBe(steps === 5 ? to + 10 : kept)
      }
      await volume.close()
    }
  })
})
