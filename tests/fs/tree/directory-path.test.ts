/** Own items of directories: each is where its entry is, whatever has moved, and costs what is not a directory nothing. */
import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import type { Item, ItemReader, Tx } from '../../../src/cp-engine/contract.ts'
import { decodeKey, directoryKey, keyKinds } from '../../../src/format/items/item-keys.ts'
import { decodeEntryItem } from '../../../src/format/items/items.ts'
import { encodeDirectoryItem } from '../../../src/format/items/directory-item.ts'
import { pathOf } from '../../../src/fs/tree/directory-path.ts'
import { StillpointError } from '../../../src/lib/errors.ts'
import { valueOf } from '../fake-items.ts'
import { RealVolume } from '../real-volume.ts'
import { FakeVolume, bytesOf, codeOf, p } from '../volume.ts'

const ofItems = (items: readonly Item[]): Pick<ItemReader, 'get'> => ({ get: (key) => valueOf(items, key) })
const ownItems = (items: readonly Item[]) => items.filter(({ key }) => key[0] === keyKinds.directory)

/** The id of every directory that the listing shows, by its path. */
async function directoriesOf(volume: FakeVolume): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  const walk = (directory: number, path: readonly string[]) => {
    for (const { key, value } of volume.engine.items) {
      const decoded = decodeKey(key)
      if (decoded.kind !== 'entry' || decoded.directory !== directory) continue
      const item = decodeEntryItem(value, 'xxh3')
      if (item.kind !== 'directory') continue
      found.set([...path, decoded.name].join('/'), item.id)
      walk(item.id, [...path, decoded.name])
    }
  }
  walk(1, [])
  return found
}

const name = fc.constantFrom('a', 'b', 'é', 'n'.repeat(255))
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => p(names.join('/')))
const change = fc.oneof(
  fc.record({ op: fc.constant('mkdir' as const), path }),
  fc.record({ op: fc.constant('put' as const), path }),
  fc.record({ op: fc.constant('move' as const), from: path, to: path, overwrite: fc.boolean() }),
  fc.record({ op: fc.constant('delete' as const), path, recursive: fc.boolean() }),
)

test('from the id of every directory of random trees its path is found', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { maxLength: 40, size: 'max' }),
      fc.integer({ min: 1, max: 2 ** 31 }),
      async (batches, seed) => {
        const volume = new FakeVolume({ seed })
        for (const [i, batch] of batches.entries()) {
          const operations = batch.map((each) =>
            each.op === 'put' ? { ...each, content: bytesOf(3) } : each,
          )
          try {
            await volume.files.batch(operations)
          } catch (error) {
            if (!(error instanceof StillpointError)) throw error
          }
          if (i % 13 === 12) await volume.reopen()
        }
        // Whatever the reaper has yet to take.
        const directories = await directoriesOf(volume)
        for (const [at, id] of directories)
          expect(pathOf(ofItems(volume.engine.items), id)!.join('/')).toBe(at)
        expect(await volume.check()).toEqual([])
        expect(ownItems(volume.engine.items)).toHaveLength(directories.size)
        await volume.close()
      },
    ),
    { numRuns: 60, seed: 11 },
  )
}, 60_000)

test('the root has the empty path; what is unlinked or not there has none; a circle is damage', () => {
  const own = (id: number, parent: number): Item => ({
    key: directoryKey(id),
    value: encodeDirectoryItem({ parent, name: `d${id}` }),
  })
  const items = ofItems([own(3, 1), own(4, 3), own(6, 5), own(7, 8), own(8, 7)])
  expect(pathOf(items, 1)).toEqual([])
  expect(pathOf(items, 4)).toEqual(['d3', 'd4'])
  expect(pathOf(items, 6)).toBeNull()
  expect(pathOf(items, 99)).toBeNull()
  expect(() => pathOf(items, 7)).toThrow('leads back')
})

/** The keys that an operation puts and deletes, by the kind of their item. */
function watched(volume: RealVolume): { changes: string[] } {
  const seen = { changes: [] as string[] }
  const note = (verb: string, key: Uint8Array) => {
    const { kind } = decodeKey(key)
    seen.changes.push(`${verb} ${kind}`)
  }
  const spied = (tx: Tx): Tx =>
    new Proxy(tx, {
      get(target, property) {
        if (property === 'put')
          return (key: Uint8Array, value: Uint8Array) => {
            note('put', key)
            target.put(key, value)
          }
        if (property === 'delete')
          return (key: Uint8Array) => {
            note('delete', key)
            target.delete(key)
          }
        const member: unknown = Reflect.get(target, property, target)
        return typeof member === 'function' ? (member.bind(target) as unknown) : member
      },
    })
  const watching =
    <T>(operation: (tx: Tx) => T) =>
    (tx: Tx): T => {
      // Only what the last run says counts.
      seen.changes = []
      return operation(spied(tx))
    }
  const run = volume.engine.run.bind(volume.engine)
  const runNow = volume.engine.runNow.bind(volume.engine)
  volume.engine.run = (operation, options) => run(watching(operation), options)
  volume.engine.runNow = (operation, records) => runNow(watching(operation), records)
  return seen
}

test('a file in a directory costs one item; a directory that moves, its entry and its own item', async () => {
  const volume = await RealVolume.create({ seed: 3 })
  const { files } = volume
  await files.makeDirectory(p('a/b/c'), {})
  const seen = watched(volume)
  await files.putFile(p('a/b/c/f'), bytesOf(100), {})
  expect(seen.changes).toEqual(['put entry'])
  await files.putFile(p('a/b/c/f'), bytesOf(200), {})
  expect(seen.changes).toEqual(['put entry'])
  await files.makeDirectory(p('a/b'), { mode: 0o700 })
  expect(seen.changes).toEqual(['put entry'])
  await files.move(p('a/b'), p('x'), { overwrite: false })
  expect(seen.changes.toSorted()).toEqual(['delete directory', 'delete entry', 'put directory', 'put entry'])
  await files.putFile(p('new/f'), bytesOf(1), {})
  expect(seen.changes.toSorted()).toEqual(['put directory', 'put entry', 'put entry'])
  await files.deleteFile(p('x/c/f'))
  expect(seen.changes).toEqual(['delete entry'])
  await files.deleteDirectory(p('x'), { recursive: true })
  expect(seen.changes.toSorted()).toEqual(['delete directory', 'delete entry', 'put orphan'])
  expect(await volume.check()).toEqual([])
  await volume.close()
})

test('an empty directory that is replaced by another takes its own item with it', async () => {
  const volume = new FakeVolume()
  await volume.files.makeDirectory(p('from/in'), {})
  await volume.files.makeDirectory(p('to'), {})
  await volume.files.move(p('from'), p('to'), { overwrite: true })
  expect(ownItems(volume.engine.items)).toHaveLength(2)
  expect(await codeOf(volume.files.deleteDirectory(p('to/in'), { recursive: false }))).toBe('ok')
  expect(await volume.check()).toEqual([])
  expect(ownItems(volume.engine.items)).toHaveLength(1)
  await volume.close()
})
