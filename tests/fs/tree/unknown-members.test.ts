/**
 * Members of an entry extra whose type is not known here, as a later version may write them: whatever keeps the entry
 * keeps them, in its item and in a record, in the open tree, after a replay and after a clean start.
 */
import { expect, test } from 'bun:test'
import { type EntryExtra, encodeEntryExtra } from '../../../src/format/items/entry-extra.ts'
import { type EntryItem, encodeEntryItem, inlineExtra } from '../../../src/format/items/items.ts'
import { entryKeyOf } from '../../../src/format/items/item-keys.ts'
import { findPlace } from '../../../src/fs/tree/entries.ts'
import { readExtra } from '../../../src/fs/tree/stored-extra.ts'
import { RealVolume } from '../real-volume.ts'
import { bytesOf, p } from '../volume.ts'

const member = (type: number, length: number) => ({ type, bytes: bytesOf(length, type) })

async function found(volume: RealVolume, path: string): Promise<{ item: EntryItem; extra: EntryExtra }> {
  const view = volume.engine.openView()
  try {
    const item = (await view.read((items) => findPlace(items, 'xxh3', p(path)).entry))!
    return { item, extra: await readExtra(view, item) }
  } finally {
    view.release()
  }
}

/** As a program would that knows these types. */
async function give(volume: RealVolume, path: string, members: EntryExtra['unknown']): Promise<void> {
  const { item, extra } = await found(volume, path)
  const changed = { ...extra, unknown: members }
  const bytes = encodeEntryExtra(changed)
  const records = bytes.length > 500 ? await volume.engine.prepare(bytes) : []
  const change = volume.engine.run(
    (tx) => {
      const [record] = records
      const stored = record ? { inline: null, record: tx.use(record) } : inlineExtra(changed)
      const { directory } = findPlace(tx, 'xxh3', p(path))
      tx.put(entryKeyOf(directory, p(path).at(-1)!), encodeEntryItem({ ...item, extra: stored }, 'xxh3'))
    },
    { records },
  )
  await volume.engine.reach(await change, 'logged')
}

test.each([
  ['in the item', [member(4, 0), member(700, 30), member(0xffff, 5)]],
  ['in a record', [member(9, 2000)]],
])('unknown members %s survive what keeps the entry', async (_, members) => {
  const volume = await RealVolume.create({ seed: 5 })
  const { files } = volume
  const attributes = { contentType: 'text/plain', meta: { a: 'b' } }
  await files.putFile(p('f'), bytesOf(10), attributes)
  await files.makeDirectory(p('d'), { meta: { a: 'b' } })
  await give(volume, 'f', members)
  await give(volume, 'd', members)

  await files.patchFile(p('f'), 'end', bytesOf(5))
  await files.patchFile(p('f'), 100_000, bytesOf(200_000))
  await files.resizeFile(p('f'), 7)
  await files.makeDirectory(p('d'), { mode: 0o700, modifiedMs: 1 })
  let { stat } = await files.move(p('f'), p('d/g'), { overwrite: false })
  expect(stat).toMatchObject({ ...attributes, size: 7 })
  await files.move(p('d'), p('e'), { overwrite: false })
  const check = async () => {
    expect((await found(volume, 'e/g')).extra.unknown).toEqual(members)
    expect((await found(volume, 'e')).extra).toMatchObject({ meta: [['a', 'b']], unknown: members })
    const view = volume.files.view()
    expect(await view.stat(p('e/g'))).toEqual(stat)
    view.release()
  }
  await check()
  // Some of them are crashes, after which the log is replayed.
  for (let i = 0; i < 4; i++) {
    await volume.reopen()
    await check()
    await volume.files.patchFile(p('e/g'), 0, bytesOf(i + 1))
    await volume.files.move(p('e/g'), p('e/h'), { overwrite: false })
    await volume.files.move(p('e/h'), p('e/g'), { overwrite: false })
    stat = (await volume.files.resizeFile(p('e/g'), 7 + i)).stat
    await check()
  }
  // A PUT makes a new entry in the place of the old one.
  await volume.files.putFile(p('e/g'), bytesOf(3), attributes)
  expect((await found(volume, 'e/g')).extra.unknown).toEqual([])
  expect(await volume.check()).toEqual([])
  await volume.close()
})
