/** docs/replication.md repeats facts of the code in its tables: they must be the same. */
import { expect, test } from 'bun:test'
import { wireErrors } from '../../src/format/wire/messages.ts'
import { reactions } from '../../src/replica/primary/mirror-troubles.ts'

const text = await Bun.file(`${import.meta.dir}/../../docs/replication.md`).text()

test('the table of refusals has every code, and what the primary does about it', () => {
  const rows = [...text.matchAll(/^\| `([a-z-]+)` +\|.*\| ([a-z ]+?) +\|$/gm)].map(([, code, does]) => [
    code,
    does,
  ])
  expect(Object.fromEntries(rows)).toEqual(reactions)
  expect(new Set(rows.map(([code]) => code))).toEqual(new Set(wireErrors))
})

test('the files that it names exist', async () => {
  const paths = [...text.matchAll(/`((?:replica|tests)\/[a-z/-]+\.ts)`/g)].map(([, path]) => path!)
  expect(paths.length).toBeGreaterThan(3)
  for (const path of paths) {
    const file = `${import.meta.dir}/../../${path.startsWith('tests/') ? path : `src/${path}`}`
    expect([path, await Bun.file(file).exists()]).toEqual([path, true])
  }
})
