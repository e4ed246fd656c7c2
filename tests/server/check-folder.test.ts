/** The check of a folder: what the items of a root contradict is found for each kind of root, and for no other root. */
import { afterEach, expect, test } from 'bun:test'
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { blockBytes } from '../../src/format/geometry.ts'
import { settingKey } from '../../src/format/items/item-keys.ts'
import { encodeSettingItem } from '../../src/format/items/setting-item.ts'
import { checkFolder } from '../../src/server/check-folder.ts'
import { blockFileName } from '../../src/server/volume-folder.ts'
import { tempFolder } from '../blockdev/temp-folder.ts'
import { ManyRoots, kindsOfRoot } from '../cp-engine/check/many-roots.ts'

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

const sound = encodeSettingItem(Uint8Array.of(1))
/** Names of settings that nobody can have given. */
const wrongKey = (n: number) => Uint8Array.of(6, 0x61, 0x20, 0x61 + (n >> 4), 0x61 + (n & 15))

/** All roots are sound but those with these numbers; the one behind the last is that of a replay. */
async function folderWith(
  wrong: readonly number[],
  problems: number,
): Promise<{ path: string; cps: number[] }> {
  const { image, roots } = await ManyRoots.make(async (engine, n) => {
    await engine.run((tx) => {
      tx.put(settingKey('s'), encodeSettingItem(Uint8Array.of(n + 1)))
      for (let i = 0; i < problems; i++)
        if (wrong.includes(n)) tx.put(wrongKey(i), sound)
        else if (wrong.includes(n - 1)) tx.delete(wrongKey(i))
    })
    return []
  }, true)
  const folder = tempFolder()
  ends.push(() => folder.remove())
  const file = openSync(folder.file(blockFileName), 'w')
  ftruncateSync(file, image.blockCount * blockBytes)
  for (const address of image.blocks.addresses())
    writeSync(file, image.blocks.get(address), 0, blockBytes, address * blockBytes)
  closeSync(file)
  return { path: folder.path, cps: [...roots.values()].map(({ cp }) => cp) }
}

const problem = 'key: name is not that of a setting'

test('sound roots have no findings', async () => {
  const { path } = await folderWith([], 0)
  expect((await checkFolder(path)).findings).toEqual([])
})

for (const [n, kind] of [...kindsOfRoot, 'the root that a replay would publish'].entries())
  test(`items that are wrong in ${kind} are found in that root alone`, async () => {
    const { path, cps } = await folderWith([n], 2)
    const { findings } = await checkFolder(path)
    expect(findings).toMatchObject(
      Array.from({ length: 2 }, () => ({ severity: 'error', kind: 'item', address: null, message: problem })),
    )
    const found = findings.map(({ cp }) => cp)
    if (n < cps.length) expect(found).toEqual([cps[n]!, cps[n]!])
    else expect(found.every((cp) => cp !== null && cp > cps.at(-1)!)).toBe(true)
  })

test('of many problems of a root the number is said, for the first root and for the last', async () => {
  const { path, cps } = await folderWith([0, 5], 150)
  const { findings } = await checkFolder(path)
  for (const cp of [cps[0]!, cps[5]!]) {
    const texts = findings.filter((finding) => finding.cp === cp).map(({ message }) => message)
    expect(texts).toHaveLength(101)
    expect(texts.at(-1)).toBe('50 more problems')
  }
})
