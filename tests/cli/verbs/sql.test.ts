import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { cpRow, open } from '../../catalog/rows.ts'
import { runCommand } from '../cli-harness.ts'
import { temporaryFolders } from '../temporary-folder.ts'

const folder = temporaryFolders()

test('a table for people, JSON for programs, while the server has it open', async () => {
  const data = folder()
  const { catalog } = open(join(data, 'catalog.db'))
  catalog.recordCp(cpRow(9))
  catalog.recordCp(cpRow(10, { cause: 'requested' }))
  catalog.flush()
  const query = 'SELECT cp, cause FROM cps ORDER BY cp'
  const table = await runCommand(['sql', '--data', data, query])
  expect([table.code, table.out]).toEqual([0, 'cp  cause\n 9  timer\n10  requested\n'])
  const json = await runCommand(['sql', '--json', query], { env: { STILLPOINT_DATA: data } })
  expect(JSON.parse(json.out)).toEqual({
    columns: ['cp', 'cause'],
    rows: [
      [9, 'timer'],
      [10, 'requested'],
    ],
    truncated: false,
  })
  const refused = await runCommand(['sql', '--data', data, 'DELETE FROM cps'])
  expect([refused.code, refused.out]).toEqual([1, ''])
  catalog.close()
})

test('integers beyond 2^53 are printed as they are', async () => {
  const data = folder()
  const { catalog } = open(join(data, 'catalog.db'))
  catalog.flush()
  const query = 'SELECT 9223372036854775807 AS most, -9007199254740993 AS less, 9007199254740991 AS safe, 1.5'
  const table = await runCommand(['sql', '--data', data, query])
  expect([table.code, table.err]).toEqual([0, ''])
  expect(table.out).toContain('9223372036854775807  -9007199254740993  9007199254740991  1.5')
  const json = await runCommand(['sql', '--data', data, '--json', query])
  expect((JSON.parse(json.out) as { rows: unknown }).rows).toEqual([
    ['9223372036854775807', '-9007199254740993', 9007199254740991, 1.5],
  ])
  catalog.close()
})
